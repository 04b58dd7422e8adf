;;; aix-lsp-client.el --- What aix-lsp's ghost text needs of a server -*- lexical-binding: t; -*-

;; Copyright (C) 2026  aix-lsp contributors
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Owns the few things that ghost text needs of a server, whoever talks to it:
;; Eglot, lsp-mode, or a connection of our own beside them.

;;; Code:

(require 'cl-lib)
(require 'aix-lsp-ghost)

(defcustom aix-lsp-command '("aix-lsp" "--stdio")
  "The server's command."
  :group 'aix-lsp
  :risky t ; otherwise a project's .dir-locals.el could choose what is run
  :type '(repeat string))

(defcustom aix-lsp-settings nil
  "The server's settings, a plist such as (:maxTokens 128)."
  :group 'aix-lsp
  :risky t
  :type 'plist)

(defvar aix-lsp-status nil
  "The server's latest status: a plist of :state :message :model :running.")

(defvar aix-lsp-client-functions nil
  "Functions that return the buffer's client, or nil, or `pending' for a later one.
The first non-nil result counts; else the buffer gets our own connection.")

(defvar aix-lsp-client--listeners (make-hash-table :test #'equal)
  "The functions that wait for the progress of a token.")

(defvar aix-lsp-client--count 0)

(cl-defgeneric aix-lsp-client-request (client method params on-answer)
  "Send CLIENT's server the request METHOD (a string) with the plist PARAMS.
ON-ANSWER gets the result as plists and vectors, or `failed'.  Return an id.")

(cl-defgeneric aix-lsp-client-notify (client method params)
  "Notify CLIENT's server of METHOD (a string) with the plist PARAMS.")

(cl-defgeneric aix-lsp-client-flush (client)
  "Let CLIENT's server know what has changed in the buffer.")

(cl-defgeneric aix-lsp-client-encoding (client)
  "The unit of columns for CLIENT's server: \"utf-8\", \"utf-16\" or \"utf-32\".")

(cl-defgeneric aix-lsp-client-uri (client)
  "The URI of the buffer as CLIENT names it.")

(defun aix-lsp-client-failed (method said)
  "Show the server's error SAID if METHOD runs one of the user's commands."
  (when (and said (equal method "workspace/executeCommand"))
    (message "aix-lsp: %s" said)))

(defun aix-lsp-client-of-buffer ()
  "The buffer's client, nil if there is none, `pending' if there will be one."
  (run-hook-with-args-until-success 'aix-lsp-client-functions))

(defun aix-lsp-client--units (text encoding)
  "The length of TEXT in units of ENCODING."
  (pcase encoding
    ("utf-32" (length text))
    ("utf-8" (length (encode-coding-string text 'utf-8-unix t)))
    (_ (/ (length (encode-coding-string text 'utf-16le-unix t)) 2))))

(defun aix-lsp-client-position (encoding &optional position)
  "The LSP position of POSITION, point by default, with columns in ENCODING."
  (save-excursion
    (when position (goto-char position))
    (list :line (1- (line-number-at-pos nil t))
          :character (aix-lsp-client--units
                      (buffer-substring-no-properties (pos-bol) (point)) encoding))))

(defun aix-lsp-client-column (line units encoding)
  "The number of characters of LINE in its first UNITS units of ENCODING."
  (if (equal encoding "utf-32")
      (min units (length line))
    (let ((count 0) (sum 0))
      (while (and (< sum units) (< count (length line)))
        (cl-incf sum (aix-lsp-client--units (string (aref line count)) encoding))
        (cl-incf count))
      count)))

(defun aix-lsp-client--item (lsp place line encoding)
  "The candidate that LSP describes, at PLACE in LINE, a number; nil if none."
  (let* ((text (plist-get lsp :insertText))
         (text (if (stringp text) text (plist-get text :value)))
         (text (string-replace "\r\n" "\n" text))
         (range (plist-get lsp :range))
         (head (aix-lsp-place-head place))
         (whole (concat head (aix-lsp-place-tail place))))
    (if (not range)
        (make-aix-lsp-item :text text :replaced "" :lsp lsp)
      (let* ((column (lambda (end)
                       (let ((at (plist-get range end)))
                         (and (eql (plist-get at :line) line)
                              (aix-lsp-client-column
                               whole (plist-get at :character) encoding)))))
             (from (funcall column :start))
             (to (funcall column :end)))
        (when (and from to (<= from (length head) to)
                   (string-prefix-p (substring head from) text))
          (make-aix-lsp-item
           :text (substring text (- (length head) from))
           :replaced (substring whole (length head) to)
           :lsp lsp))))))

(defun aix-lsp-client--items (result place line encoding)
  "The candidates in RESULT for PLACE in LINE, with columns in ENCODING."
  (cl-loop for lsp across (cond ((vectorp result) result)
                                ((vconcat (plist-get result :items))))
           for item = (aix-lsp-client--item lsp place line encoding)
           when (and item (not (string-empty-p (aix-lsp-item-text item))))
           collect item))

(defun aix-lsp-client-progress (token value)
  "Pass VALUE to the function that waits for TOKEN; return nil if none does."
  (when-let* ((listener (gethash token aix-lsp-client--listeners)))
    (funcall listener value)
    t))

(defun aix-lsp-client-ask (client invoked on-items)
  "Request suggestions at point from CLIENT, explicitly if INVOKED.
ON-ITEMS gets the place, the candidates so far and whether they are final, in
the buffer.  Return a function that cancels."
  (aix-lsp-client-flush client)
  (let* ((place (aix-lsp-place-here))
         (buffer (current-buffer))
         (encoding (aix-lsp-client-encoding client))
         (position (aix-lsp-client-position encoding))
         (line (plist-get position :line))
         (token (format "aix-ghost-%d" (cl-incf aix-lsp-client--count)))
         (latest -1)
         (give (lambda (result final)
                 (when (buffer-live-p buffer)
                   (with-current-buffer buffer
                     (let ((items (aix-lsp-client--items result place line encoding)))
                       (when (or final items)
                         (funcall on-items place items final))))))))
    (puthash token
             (lambda (value)
               (when (> (or (plist-get value :sequence) (1+ latest)) latest)
                 (setq latest (or (plist-get value :sequence) (1+ latest)))
                 (funcall give
                          (vector (list :insertText (or (plist-get value :text) "")
                                        :range (plist-get value :range)))
                          nil)))
             aix-lsp-client--listeners)
    (let ((id (aix-lsp-client-request
               client "aix/inlineCompletion"
               (list :textDocument (list :uri (aix-lsp-client-uri client))
                     :position position
                     :context (list :triggerKind (if invoked 1 2))
                     :partialResultToken token)
               (lambda (result)
                 (remhash token aix-lsp-client--listeners)
                 (unless (eq result 'failed)
                   (funcall give result t))))))
      (lambda ()
        (when (gethash token aix-lsp-client--listeners)
          (remhash token aix-lsp-client--listeners)
          (aix-lsp-client-notify client "$/cancelRequest" (list :id id)))))))

(defvar aix-lsp-client--told nil
  "The errors that were shown: each is shown once, even if it recurs.")

(defun aix-lsp-client-on-status (status)
  "Note the server's STATUS."
  (let ((said (plist-get status :message)))
    (setq aix-lsp-status status)
    (when (and (equal (plist-get status :state) "error")
               (not (member said aix-lsp-client--told)))
      (push said aix-lsp-client--told)
      (message "aix-lsp: %s" said))
    (force-mode-line-update t)))

(provide 'aix-lsp-client)
;;; aix-lsp-client.el ends here
