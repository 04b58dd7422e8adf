;;; aix-lsp-ghost.el --- Ghost text of aix-lsp -*- lexical-binding: t; -*-

;; Copyright (C) 2026  aix-lsp contributors
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Owns the suggestions at a place in a buffer, the part of them that is still
;; to be typed, and how it is drawn.  Knows nothing of servers and requests.

;;; Code:

(require 'cl-lib)
(require 'subr-x)

(defgroup aix-lsp nil
  "Code completion from a local model."
  :group 'completion
  :prefix "aix-lsp-"
  :link '(url-link "https://github.com/aix-lsp/aix-lsp"))

(defface aix-lsp-ghost
  '((t :inherit shadow))
  "Face of suggested text.")

(cl-defstruct (aix-lsp-place (:constructor aix-lsp-place--make))
  "Where a request was made: POINT, and the line around it, HEAD and TAIL."
  point head tail tick)

(cl-defstruct aix-lsp-item
  "A candidate: TEXT is inserted at the place, REPLACED deleted right of it.
LSP is the item as the server sent it, nil while it still grows."
  text replaced lsp shown settled)

(defvar-local aix-lsp-ghost--place nil "The place that the candidates are for.")
(defvar-local aix-lsp-ghost--items nil "The candidates.")
(defvar-local aix-lsp-ghost--index 0 "Which candidate is shown.")
(defvar-local aix-lsp-ghost--overlays nil "The overlays that show ghost text.")

(defun aix-lsp-place-here ()
  "The place at point."
  (aix-lsp-place--make
   :point (point)
   :head (buffer-substring-no-properties (line-beginning-position) (point))
   :tail (buffer-substring-no-properties (point) (line-end-position))
   :tick (buffer-chars-modified-tick)))

(defun aix-lsp-place-typed (place)
  "The text between PLACE and point, nil if the text around it has changed."
  (let ((start (aix-lsp-place-point place))
        (head (aix-lsp-place-head place)))
    (when (and (<= (point-min) (- start (length head)))
               (<= start (point))
               (equal (buffer-substring-no-properties (point) (line-end-position))
                      (aix-lsp-place-tail place))
               (equal (buffer-substring-no-properties (- start (length head)) start)
                      head))
      (buffer-substring-no-properties start (point)))))

(defun aix-lsp-ghost-item ()
  "The candidate that is shown, if any."
  (nth aix-lsp-ghost--index aix-lsp-ghost--items))

(defun aix-lsp-ghost-remaining ()
  "The part of the candidate still to be typed, nil if it no longer fits."
  (when-let* ((item (aix-lsp-ghost-item))
              (typed (aix-lsp-place-typed aix-lsp-ghost--place))
              (text (aix-lsp-item-text item)))
    (and (string-prefix-p typed text)
         (> (length text) (length typed))
         (substring text (length typed)))))

(defun aix-lsp-ghost-hide ()
  "Remove all ghost text overlays."
  (mapc #'delete-overlay aix-lsp-ghost--overlays)
  (setq aix-lsp-ghost--overlays nil))

(defun aix-lsp-ghost-shown-p ()
  "Whether the buffer shows ghost text."
  (and aix-lsp-ghost--overlays t))

(defun aix-lsp-ghost--between (text replaced)
  "Cut TEXT at the characters of REPLACED, found from the right.
Return one piece more than REPLACED has characters, nil if TEXT lacks one."
  (let ((last (length text)) (pieces nil) (missing nil))
    (cl-loop for i downfrom (1- (length replaced)) to 0
             for at = (cl-position (aref replaced i) text :end last :from-end t)
             do (if (not at) (setq missing t)
                  (push (substring text (1+ at) last) pieces)
                  (setq last at))
             until missing)
    (unless missing
      (cons (substring text 0 last) pieces))))

(defun aix-lsp-ghost--overlay (position text)
  "Draw TEXT before the character at POSITION."
  (unless (string-empty-p text)
    (let ((overlay (make-overlay position position nil t))
          (string (propertize text 'face 'aix-lsp-ghost)))
      (when (= position (point))
        (put-text-property 0 1 'cursor t string))
      (overlay-put overlay 'after-string string)
      (overlay-put overlay 'priority 100)
      (push overlay aix-lsp-ghost--overlays))))

(defun aix-lsp-ghost-draw ()
  "Draw what remains of the candidate at point; return it."
  (aix-lsp-ghost-hide)
  (when-let* ((text (aix-lsp-ghost-remaining))
              (replaced (aix-lsp-item-replaced (aix-lsp-ghost-item))))
    (let ((pieces (aix-lsp-ghost--between text replaced)))
      (if pieces
          (cl-loop for piece in pieces
                   for position from (point)
                   do (aix-lsp-ghost--overlay position piece))
        (let ((overlay (make-overlay (point) (+ (point) (length replaced)))))
          (overlay-put overlay 'display (propertize text 'face 'aix-lsp-ghost))
          (push overlay aix-lsp-ghost--overlays))))
    text))

(defun aix-lsp-ghost-take (place items final)
  "Show ITEMS, suggested at PLACE; while not FINAL, nothing shown gets shorter."
  (let ((before (aix-lsp-ghost-remaining))
        (old (list aix-lsp-ghost--place aix-lsp-ghost--items aix-lsp-ghost--index)))
    (setq aix-lsp-ghost--place place
          aix-lsp-ghost--items items
          aix-lsp-ghost--index 0)
    (let ((now (aix-lsp-ghost-remaining)))
      (cond
       ((and (not final) before (or (not now) (string-prefix-p now before)))
        (cl-destructuring-bind (place items index) old
          (setq aix-lsp-ghost--place place
                aix-lsp-ghost--items items
                aix-lsp-ghost--index index)))
       ((not now) (setq aix-lsp-ghost--items nil)))
      (aix-lsp-ghost-draw))))

(defun aix-lsp-ghost-forget ()
  "Drop the candidates and their ghost text."
  (setq aix-lsp-ghost--items nil
        aix-lsp-ghost--place nil
        aix-lsp-ghost--index 0)
  (aix-lsp-ghost-hide))

(defun aix-lsp-ghost-turn (step)
  "Show the candidate STEP further along, cyclically."
  (setq aix-lsp-ghost--index
        (mod (+ aix-lsp-ghost--index step) (max 1 (length aix-lsp-ghost--items))))
  (aix-lsp-ghost-draw))

(defun aix-lsp-ghost-insert (text whole)
  "Insert TEXT at point; the WHOLE suggestion also replaces old text."
  (let ((gone (if whole (length (aix-lsp-item-replaced (aix-lsp-ghost-item))) 0)))
    (aix-lsp-ghost-hide)
    (undo-boundary)
    (delete-region (point) (+ (point) gone))
    (insert text)))

(defun aix-lsp-ghost-word (text)
  "The first word of TEXT, or its first run of punctuation, with blanks before."
  (if (or (string-match "\\`[[:space:]\n]*\\(?:\\w\\|\\s_\\)+" text)
          (string-match "\\`[[:space:]\n]*\\(?:[^[:space:]\n[:word:]]\\)+" text))
      (match-string 0 text)
    text))

(defun aix-lsp-ghost-line (text)
  "TEXT to the end of its line; from a line's end, the next line too."
  (string-match "\\`\\(?:[[:space:]]*\n\\)?[^\n]*" text)
  (match-string 0 text))

(provide 'aix-lsp-ghost)
;;; aix-lsp-ghost.el ends here
