;;; aix-lsp-lsp-mode.el --- aix-lsp beside lsp-mode's servers -*- lexical-binding: t; -*-

;; Copyright (C) 2026  aix-lsp contributors
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Owns ghost text over lsp-mode, which runs several servers in a buffer:
;; aix-lsp is registered as an add-on to the language's own.

;;; Code:

(require 'cl-lib)
(require 'aix-lsp-client)

(declare-function lsp-register-client "ext:lsp-mode")
(declare-function make-lsp-client "ext:lsp-mode")
(declare-function lsp-stdio-connection "ext:lsp-mode")
(declare-function lsp-request-async "ext:lsp-mode")
(declare-function lsp-notify "ext:lsp-mode")
(declare-function lsp-workspaces "ext:lsp-mode")
(declare-function lsp-on-progress-modeline "ext:lsp-mode")
(declare-function lsp--workspace-client "ext:lsp-mode")
(declare-function lsp--client-server-id "ext:lsp-mode")
(declare-function lsp--buffer-uri "ext:lsp-mode")
(declare-function lsp--send-request-async "ext:lsp-mode")
(declare-function lsp--workspace-status "ext:lsp-mode")
(defvar lsp--cur-workspace)
(defvar lsp-progress-function)
(defvar lsp-language-id-configuration)

(cl-defstruct aix-lsp-lsp-client "An lsp-mode WORKSPACE whose server is aix-lsp." workspace)

(defun aix-lsp-lsp-mode--plist (value)
  "VALUE with plists instead of the hash tables that lsp-mode may use."
  (cond ((hash-table-p value)
         (let (plist)
           (maphash (lambda (key item)
                      (setq plist (cl-list* (intern (concat ":" key))
                                            (aix-lsp-lsp-mode--plist item) plist)))
                    value)
           plist))
        ((vectorp value) (vconcat (mapcar #'aix-lsp-lsp-mode--plist value)))
        ((and (consp value) (keywordp (car value)))
         (cl-loop for (key item) on value by #'cddr
                  nconc (list key (aix-lsp-lsp-mode--plist item))))
        ((consp value) (vconcat (mapcar #'aix-lsp-lsp-mode--plist value)))
        (t value)))

(defun aix-lsp-lsp-mode--on-progress (workspace params)
  "Handle a $/progress with PARAMS if it is ours, else leave it to WORKSPACE."
  (let ((plain (aix-lsp-lsp-mode--plist params)))
    (unless (aix-lsp-client-progress (plist-get plain :token) (plist-get plain :value))
      (funcall lsp-progress-function workspace params))))

;;;###autoload
(defun aix-lsp-lsp-mode-setup (&rest modes)
  "Register aix-lsp with lsp-mode as an add-on in MODES, in all if none."
  (require 'lsp-mode)
  (lsp-register-client
   (make-lsp-client
    :server-id 'aix-lsp
    :new-connection (lsp-stdio-connection (lambda () aix-lsp-command))
    :activation-fn (lambda (_file mode) (or (null modes) (memq mode modes)))
    :add-on? t
    :priority -2
    :multi-root t
    :initialization-options (lambda () (or aix-lsp-settings (make-hash-table)))
    :custom-capabilities '((experimental . ((aix . ((status . t))))))
    :notification-handlers
    (let ((handlers (make-hash-table :test #'equal)))
      (puthash "$/progress" #'aix-lsp-lsp-mode--on-progress handlers)
      (puthash "aix/status"
               (lambda (_ status)
                 (aix-lsp-client-on-status (aix-lsp-lsp-mode--plist status)))
               handlers)
      handlers)))
  (add-hook 'aix-lsp-client-functions #'aix-lsp-lsp-mode-client))

(defun aix-lsp-lsp-mode-client ()
  "The buffer's aix-lsp workspace as a client; `pending' until it exists."
  (when (bound-and-true-p lsp-mode)
    (let ((workspace
           (cl-find-if (lambda (each)
                         (and (eq (lsp--client-server-id (lsp--workspace-client each))
                                  'aix-lsp)
                              (eq (lsp--workspace-status each) 'initialized)))
                       (lsp-workspaces))))
      (if workspace (make-aix-lsp-lsp-client :workspace workspace) 'pending))))

(cl-defmethod aix-lsp-client-flush ((_client aix-lsp-lsp-client))
  "Do nothing: lsp-mode flushes before each request.")

(cl-defmethod aix-lsp-client-request ((client aix-lsp-lsp-client) method params on-answer)
  "Request METHOD with PARAMS over CLIENT; ON-ANSWER takes the answer."
  (let* ((lsp--cur-workspace (aix-lsp-lsp-client-workspace client))
         (request (lsp-request-async
                   method params
                   (lambda (result) (funcall on-answer (aix-lsp-lsp-mode--plist result)))
                   :mode 'detached
                   :error-handler (lambda (err)
                                    (aix-lsp-client-failed
                                     method
                                     (plist-get (aix-lsp-lsp-mode--plist err) :message))
                                    (funcall on-answer 'failed)))))
    (plist-get request :id)))

(cl-defmethod aix-lsp-client-notify ((client aix-lsp-lsp-client) method params)
  "Notify METHOD with PARAMS over CLIENT."
  (let ((lsp--cur-workspace (aix-lsp-lsp-client-workspace client)))
    (lsp-notify method params)))

(cl-defmethod aix-lsp-client-encoding ((_client aix-lsp-lsp-client))
  "The units of columns: lsp-mode knows one encoding."
  "utf-16")

(cl-defmethod aix-lsp-client-uri ((_client aix-lsp-lsp-client))
  "The URI of the buffer as lsp-mode names it."
  (lsp--buffer-uri))

(provide 'aix-lsp-lsp-mode)
;;; aix-lsp-lsp-mode.el ends here
