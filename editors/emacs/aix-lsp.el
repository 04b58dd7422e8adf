;;; aix-lsp.el --- Code completion from a local model, as ghost text -*- lexical-binding: t; -*-

;; Copyright (C) 2026  aix-lsp contributors
;; SPDX-License-Identifier: Apache-2.0

;; Author: aix-lsp contributors
;; URL: https://github.com/aix-lsp/aix-lsp
;; Version: 0.1.0
;; Package-Requires: ((emacs "30.1"))
;; Keywords: convenience, languages, tools

;;; Commentary:

;; Shows what a local model would type next, as ghost text that grows while the
;; model writes.  TAB takes it all, M-f a word, C-e a line; M-n and M-p show
;; other candidates; C-g puts it away.
;;
;;     (add-hook 'prog-mode-hook #'aix-lsp-mode)
;;
;; That works beside Eglot, lsp-mode or neither: the mode opens a connection of
;; its own.  `aix-lsp-eglot-setup' and `aix-lsp-lsp-mode-setup' make it use
;; theirs instead, if aix-lsp is one of their servers.

;;; Code:

(require 'cl-lib)
(require 'aix-lsp-client)
(require 'aix-lsp-connection)
(require 'aix-lsp-ghost)

(defcustom aix-lsp-idle-delay 0
  "Seconds of idle time before a suggestion is requested."
  :group 'aix-lsp
  :type 'number)

(defcustom aix-lsp-automatic t
  "Whether to suggest while you type; if nil, only on `aix-lsp-suggest'."
  :group 'aix-lsp
  :type 'boolean)

(defcustom aix-lsp-inhibit-functions '(aix-lsp-menu-open-p)
  "Functions that hide ghost text while one of them returns non-nil."
  :group 'aix-lsp
  :type 'hook)

(defvar aix-lsp-mode)
(defvar-local aix-lsp--asked nil "The place of the latest request.")
(defvar-local aix-lsp--cancel nil "Ends the running request.")
(defvar-local aix-lsp--serial 0 "Counts requests.")
(defvar-local aix-lsp--timer nil)
(defvar-local aix-lsp--active nil "Non-nil while ghost text is shown and its keys work.")

(defvar-keymap aix-lsp-active-map
  :doc "Keys while ghost text is shown.  Change them before the mode is on."
  "TAB" #'aix-lsp-accept
  "<tab>" #'aix-lsp-accept
  "M-f" #'aix-lsp-accept-word
  "C-e" #'aix-lsp-accept-line
  "M-n" #'aix-lsp-next
  "M-p" #'aix-lsp-previous
  "C-g" #'aix-lsp-dismiss)

(defvar aix-lsp--keymaps nil
  "Goes into `emulation-mode-map-alists', before every minor mode's keys.")

(defun aix-lsp--when-active (command)
  "COMMAND while ghost text is shown, else nil: the key keeps its other binding."
  (and aix-lsp--active command))

(defun aix-lsp--gated (map)
  "MAP with each command looked up only while ghost text is shown.
Emacs collects the keymaps before it waits for a key, so ghost text that comes
while it waits could not enable its keys in any other way."
  (let ((gated (make-sparse-keymap)))
    (map-keymap
     (lambda (event binding)
       (define-key gated (vector event)
                   (if (keymapp binding)
                       (aix-lsp--gated binding)
                     `(menu-item "" ,binding :filter aix-lsp--when-active))))
     map)
    gated))

(defun aix-lsp-menu-open-p ()
  "Whether a completion menu is open: Corfu's, Company's or the default one."
  (or (bound-and-true-p completion-in-region-mode)
      (bound-and-true-p company-candidates)))

(defun aix-lsp--client ()
  "The buffer's client: Eglot's or lsp-mode's if set up so, else our own."
  (pcase (aix-lsp-client-of-buffer)
    ('pending nil)
    ('nil (when-let* ((connection (aix-lsp-connection-get)))
            (aix-lsp-connection-open)
            (and aix-lsp-connection--version connection)))
    (client client)))

(defun aix-lsp--tell (method item &rest more)
  "Notify the server of METHOD about ITEM, with MORE params."
  (when-let* ((lsp (aix-lsp-item-lsp item))
              (client (aix-lsp--client)))
    (aix-lsp-client-notify client method `(:item ,lsp ,@more))))

(defun aix-lsp--draw ()
  "Draw the suggestion, unless a menu is open, and enable or disable its keys."
  (if (run-hook-with-args-until-success 'aix-lsp-inhibit-functions)
      (aix-lsp-ghost-hide)
    (aix-lsp-ghost-draw))
  (setq aix-lsp--active (aix-lsp-ghost-shown-p))
  (when-let* ((item (and aix-lsp--active (aix-lsp-ghost-item)))
              ((aix-lsp-item-lsp item)))
    (unless (aix-lsp-item-shown item)
      (setf (aix-lsp-item-shown item) t)
      (aix-lsp--tell "aix/didShow" item))))

(defun aix-lsp--drop ()
  "Discard the suggestion; one that was seen counts as rejected."
  (when-let* ((item (aix-lsp-ghost-item)))
    (when (and (aix-lsp-item-shown item) (not (aix-lsp-item-settled item)))
      (setf (aix-lsp-item-settled item) t)
      (aix-lsp--tell "aix/didReject" item)))
  (aix-lsp-ghost-forget)
  (setq aix-lsp--active nil))

(defun aix-lsp--stop ()
  "End the running request."
  (when (timerp aix-lsp--timer) (cancel-timer aix-lsp--timer))
  (cl-incf aix-lsp--serial)
  (when aix-lsp--cancel
    (funcall (cl-shiftf aix-lsp--cancel nil))))

(defun aix-lsp--ask (invoked &optional after)
  "Send a request at point, explicit if INVOKED; call AFTER the final answer.
The older request is cancelled after the new one is sent, so that the server
can continue a generation that agrees with the typing."
  (when-let* ((client (aix-lsp--client)))
    (let ((older aix-lsp--cancel)
          (serial (cl-incf aix-lsp--serial)))
      (setq aix-lsp--asked (aix-lsp-place-here)
            aix-lsp--cancel
            (aix-lsp-client-ask
             client invoked
             (lambda (place items final)
               (when (and (= serial aix-lsp--serial) aix-lsp-mode)
                 (aix-lsp-ghost-take place items final)
                 (aix-lsp--draw)
                 (when final
                   (setq aix-lsp--cancel nil)
                   (when after (funcall after)))))))
      (when older (funcall older)))))

(defun aix-lsp--ask-soon (buffer)
  "Send a request in BUFFER after `aix-lsp-idle-delay'."
  (when (timerp aix-lsp--timer) (cancel-timer aix-lsp--timer))
  (if (<= aix-lsp-idle-delay 0)
      (aix-lsp--ask nil)
    (setq aix-lsp--timer
          (run-with-idle-timer aix-lsp-idle-delay nil
                               (lambda ()
                                 (when (buffer-live-p buffer)
                                   (with-current-buffer buffer
                                     (when aix-lsp-mode (aix-lsp--ask nil)))))))))

(defun aix-lsp--post-command ()
  "Keep what still fits after a command; send a new request if the text changed."
  (let* ((asked aix-lsp--asked)
         (edited (not (and asked (= (aix-lsp-place-tick asked)
                                    (buffer-chars-modified-tick))))))
    (unless (aix-lsp-ghost-remaining) (aix-lsp--drop))
    (aix-lsp--draw)
    (cond
     ((and (not edited) (= (point) (aix-lsp-place-point asked))))
     ((or executing-kbd-macro buffer-read-only (use-region-p) (minibufferp)
          (not aix-lsp-automatic) (not edited))
      (unless (aix-lsp-ghost-shown-p) (aix-lsp--stop)))
     ((null asked) (setq aix-lsp--asked (aix-lsp-place-here)))
     (t (aix-lsp--ask-soon (current-buffer))))))

;;; Commands

(defun aix-lsp--accept (cut)
  "Insert the part of the suggestion that CUT returns."
  (let* ((rest (or (aix-lsp-ghost-remaining) (user-error "Nothing is suggested")))
         (item (aix-lsp-ghost-item))
         (text (funcall cut rest))
         (whole (equal text rest)))
    (aix-lsp-ghost-insert text whole)
    (if whole
        (progn (setf (aix-lsp-item-settled item) t)
               (aix-lsp--tell "aix/didAccept" item)
               (aix-lsp-ghost-forget))
      (let ((taken (- (length (aix-lsp-item-text item)) (- (length rest) (length text)))))
        (aix-lsp--tell "aix/didPartiallyAccept" item :acceptedLength
                       (aix-lsp-client--units (substring (aix-lsp-item-text item) 0 taken)
                                              "utf-16"))))))

(defun aix-lsp-accept ()
  "Insert the suggestion."
  (interactive)
  (aix-lsp--accept #'identity))

(defun aix-lsp-accept-word ()
  "Insert the suggestion's next word."
  (interactive)
  (aix-lsp--accept #'aix-lsp-ghost-word))

(defun aix-lsp-accept-line ()
  "Insert the suggestion to the end of the line."
  (interactive)
  (aix-lsp--accept #'aix-lsp-ghost-line))

(defun aix-lsp--turn (step)
  "Show the candidate STEP further along; request more if there is only one."
  (if (cdr aix-lsp-ghost--items)
      (progn (aix-lsp-ghost-turn step) (aix-lsp--draw))
    (aix-lsp--ask t (lambda () (aix-lsp-ghost-turn step) (aix-lsp--draw)))))

(defun aix-lsp-next ()
  "Show the next candidate."
  (interactive)
  (aix-lsp--turn 1))

(defun aix-lsp-previous ()
  "Show the previous candidate."
  (interactive)
  (aix-lsp--turn -1))

(defun aix-lsp-dismiss ()
  "Dismiss the suggestion."
  (interactive)
  (aix-lsp--stop)
  (aix-lsp--drop))

(defun aix-lsp-suggest ()
  "Request a suggestion now."
  (interactive)
  (unless aix-lsp-mode (aix-lsp-mode))
  (aix-lsp--ask t))

(autoload 'aix-lsp-choose-model "aix-lsp-models" nil t)

(defun aix-lsp-restart ()
  "Restart our own connection."
  (interactive)
  (aix-lsp-connection-stop)
  (dolist (buffer (aix-lsp-connection--buffers))
    (with-current-buffer buffer (aix-lsp-connection-open))))

;;; The mode

(defun aix-lsp--lighter ()
  "The text about the server in the mode line."
  (pcase (plist-get aix-lsp-status :state)
    ((or 'nil "ready" "busy") " aix")
    (state (concat " aix:" state))))

(defun aix-lsp--hooks (change)
  "Add the mode's functions to their hooks, or remove them, with CHANGE."
  (funcall change 'post-command-hook #'aix-lsp--post-command)
  (funcall change 'before-change-functions #'aix-lsp-connection-before-change)
  (funcall change 'after-change-functions #'aix-lsp-connection-after-change)
  (funcall change 'kill-buffer-hook #'aix-lsp-connection-close))

;;;###autoload
(define-minor-mode aix-lsp-mode
  "Suggest code from a local model, as ghost text."
  :lighter (:eval (aix-lsp--lighter))
  (setq aix-lsp--keymaps `((aix-lsp-mode . ,(aix-lsp--gated aix-lsp-active-map))))
  (add-to-list 'emulation-mode-map-alists 'aix-lsp--keymaps)
  (if (not aix-lsp-mode)
      (progn (aix-lsp-dismiss)
             (aix-lsp-connection-close)
             (aix-lsp--hooks (lambda (hook function) (remove-hook hook function t))))
    (aix-lsp--hooks (lambda (hook function) (add-hook hook function nil t)))
    (add-hook 'kill-emacs-hook #'aix-lsp-connection-leave)
    (setq aix-lsp--asked (aix-lsp-place-here))
    (aix-lsp--client)))

(defun aix-lsp--turn-on ()
  "Turn the mode on in buffers for code."
  (when (derived-mode-p 'prog-mode 'text-mode 'conf-mode)
    (aix-lsp-mode)))

;;;###autoload
(define-globalized-minor-mode aix-lsp-global-mode aix-lsp-mode aix-lsp--turn-on
  :group 'aix-lsp)

(provide 'aix-lsp)
;;; aix-lsp.el ends here
