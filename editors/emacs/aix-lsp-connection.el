;;; aix-lsp-connection.el --- A connection of aix-lsp's own -*- lexical-binding: t; -*-

;; Copyright (C) 2026  aix-lsp contributors
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Owns one server process for all of Emacs and what it knows of the buffers.
;; Eglot allows one server per buffer; this lets aix-lsp run beside it.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'project)
(require 'url-util)
(require 'aix-lsp-client)

(defclass aix-lsp-connection (jsonrpc-process-connection)
  ((encoding :initform nil :accessor aix-lsp-connection-encoding
             :documentation "The unit of the server's columns; nil until it has answered.")
   (roots :initform nil :accessor aix-lsp-connection-roots
          :documentation "The projects' folders that the server knows of.")))

(defvar aix-lsp-connection--current nil "The one connection.")
(defvar aix-lsp-connection--failed nil
  "Non-nil if the server cannot be started: it is not retried automatically.")
(defvar-local aix-lsp-connection--version nil "The buffer's version; nil: not open.")
(defvar-local aix-lsp-connection--changes nil
  "Changes not sent yet, latest first; t if the whole text must be sent.")
(defvar-local aix-lsp-connection--before nil "The range of the change about to happen.")

(defun aix-lsp-connection--file-uri (path)
  "The URI of PATH."
  (concat "file://" (and (eq system-type 'windows-nt) "/")
          (url-hexify-string (expand-file-name path) url-path-allowed-chars)))

(defun aix-lsp-connection--root ()
  "The folder of the buffer's project, or nil."
  (when-let* ((project (project-current)))
    (directory-file-name (expand-file-name (project-root project)))))

(defun aix-lsp-connection--folders (roots)
  "ROOTS as WorkspaceFolders."
  (vconcat (mapcar (lambda (root)
                     (list :uri (aix-lsp-connection--file-uri root)
                           :name (file-name-nondirectory root)))
                   roots)))

(defconst aix-lsp-connection--capabilities
  '(:general (:positionEncodings ["utf-32" "utf-16"])
    :workspace (:configuration t :workspaceFolders t
                :didChangeConfiguration (:dynamicRegistration :json-false))
    :window (:workDoneProgress :json-false)
    :textDocument (:synchronization (:didSave t) :inlineCompletion nil)
    :experimental (:aix (:status t))))

(defun aix-lsp-connection--on-request (_connection method params)
  "Answer the server's METHOD with PARAMS."
  (pcase method
    ('workspace/configuration
     (vconcat (mapcar (lambda (_) (or aix-lsp-settings (make-hash-table)))
                      (plist-get params :items))))
    ((or 'client/registerCapability 'client/unregisterCapability
         'window/workDoneProgress/create 'window/showMessageRequest)
     nil)
    (_ (jsonrpc-error "No such method: %s" method))))

(defun aix-lsp-connection--on-notification (_connection method params)
  "Handle the server's notification METHOD with PARAMS."
  (pcase method
    ('$/progress (aix-lsp-client-progress (plist-get params :token)
                                          (plist-get params :value)))
    ('aix/status (aix-lsp-client-on-status params))
    ('window/showMessage (message "aix-lsp: %s" (plist-get params :message)))))

(defun aix-lsp-connection--process ()
  "Start the server.
`jsonrpc' takes the buffer of just this name, and hides it."
  (make-process :name "aix-lsp" :command aix-lsp-command :connection-type 'pipe
                :coding 'utf-8-emacs-unix :noquery t
                :stderr (get-buffer-create "*aix-lsp stderr*")))

(defun aix-lsp-connection--buffers ()
  "The buffers that use this connection."
  (cl-remove-if-not (lambda (buffer) (buffer-local-value 'aix-lsp-mode buffer))
                    (buffer-list)))

(defun aix-lsp-connection--shake-hands (connection root)
  "Initialize CONNECTION for ROOT, then open the buffers that wait for it."
  (jsonrpc-async-request
   connection :initialize
   (list :processId (emacs-pid)
         :clientInfo (list :name "Emacs" :version emacs-version)
         :rootUri (and root (aix-lsp-connection--file-uri root))
         :workspaceFolders (and root (aix-lsp-connection--folders (list root)))
         :initializationOptions (or aix-lsp-settings (make-hash-table))
         :capabilities aix-lsp-connection--capabilities)
   :success-fn
   (lambda (result)
     (setf (aix-lsp-connection-encoding connection)
           (or (plist-get (plist-get result :capabilities) :positionEncoding) "utf-16"))
     (jsonrpc-notify connection :initialized (make-hash-table))
     (dolist (buffer (aix-lsp-connection--buffers))
       (with-current-buffer buffer (aix-lsp-connection-open))))
   :error-fn (lambda (err) (message "aix-lsp: %s" (plist-get err :message)))))

(defun aix-lsp-connection--fail (format &rest arguments)
  "Report once, with FORMAT and ARGUMENTS, why there is no server.
An error would keep the other functions of a mode's hook from running."
  (setq aix-lsp-status (list :state "error" :message (apply #'format format arguments)))
  (unless aix-lsp-connection--failed
    (setq aix-lsp-connection--failed t)
    (display-warning 'aix-lsp (plist-get aix-lsp-status :message) :error))
  nil)

(defun aix-lsp-connection--ended-early ()
  "Report that the server exited before it answered."
  (aix-lsp-connection--fail
   "`%s' exited before it answered: see the buffer `%s'; then M-x aix-lsp-restart"
   (string-join aix-lsp-command " ") " *aix-lsp stderr*"))

(defun aix-lsp-connection-get ()
  "The running connection, started if there is none; nil if that fails."
  (cond
   ((and aix-lsp-connection--current (jsonrpc-running-p aix-lsp-connection--current))
    aix-lsp-connection--current)
   (aix-lsp-connection--failed nil)
   ((executable-find (car aix-lsp-command)) (aix-lsp-connection--start))
   (t (aix-lsp-connection--fail
       (concat "Cannot find `%s': run `pipx install aix-lsp', or set `aix-lsp-command'; "
               "then M-x aix-lsp-restart")
       (car aix-lsp-command)))))

(defun aix-lsp-connection--start ()
  "Start the server, and return the connection."
  (let ((root (aix-lsp-connection--root)))
    (setq aix-lsp-connection--current
          (make-instance 'aix-lsp-connection
                         :name "aix-lsp"
                         :process #'aix-lsp-connection--process
                         :events-buffer-config '(:size 0 :format full)
                         :request-dispatcher #'aix-lsp-connection--on-request
                         :notification-dispatcher #'aix-lsp-connection--on-notification
                         :on-shutdown #'aix-lsp-connection--on-shutdown))
    (setf (aix-lsp-connection-roots aix-lsp-connection--current) (and root (list root)))
    (condition-case nil
        (progn (aix-lsp-connection--shake-hands aix-lsp-connection--current root)
               aix-lsp-connection--current)
      (error (aix-lsp-connection--ended-early)))))

(defun aix-lsp-connection--on-shutdown (connection)
  "Reset the state that belonged to CONNECTION's ended server."
  (setq aix-lsp-status nil)
  (unless (or (aix-lsp-connection-encoding connection)
              (not (eq connection aix-lsp-connection--current)))
    (aix-lsp-connection--ended-early))
  (dolist (buffer (aix-lsp-connection--buffers))
    (with-current-buffer buffer (setq aix-lsp-connection--version nil))))

(defun aix-lsp-connection-stop ()
  "Stop the server; it may be started again."
  (setq aix-lsp-connection--failed nil)
  (when-let* ((connection aix-lsp-connection--current))
    (setq aix-lsp-connection--current nil)
    (when (jsonrpc-running-p connection)
      (ignore-errors (jsonrpc-request connection :shutdown nil :timeout 3))
      (ignore-errors (jsonrpc-notify connection :exit nil))
      (ignore-errors (jsonrpc-shutdown connection)))))

(defun aix-lsp-connection-leave ()
  "Make the server end with Emacs, without waiting for it.
An Emacs that has lost its terminal runs no sentinel any more, and
`jsonrpc-shutdown' would wait for one forever."
  (when-let* ((connection aix-lsp-connection--current))
    (when (jsonrpc-running-p connection)
      (ignore-errors
        (jsonrpc-async-request connection :shutdown nil :success-fn #'ignore))
      (ignore-errors (jsonrpc-notify connection :exit nil)))))

;;; What the server knows of a buffer

(defun aix-lsp-connection--text ()
  "The whole text of the buffer."
  (save-restriction
    (widen)
    (buffer-substring-no-properties (point-min) (point-max))))

(defun aix-lsp-connection--language ()
  "The LSP language id of the buffer."
  (let ((name (symbol-name major-mode)))
    (or (get major-mode 'eglot-language-id)
        (replace-regexp-in-string "\\(?:-ts\\)?-mode\\'" "" name))))

(defun aix-lsp-connection--tell-root (connection)
  "Tell CONNECTION's server about the buffer's project, if it is new."
  (let ((root (aix-lsp-connection--root)))
    (when (and root (not (member root (aix-lsp-connection-roots connection))))
      (push root (aix-lsp-connection-roots connection))
      (jsonrpc-notify connection :workspace/didChangeWorkspaceFolders
                      (list :event (list :added (aix-lsp-connection--folders (list root))
                                         :removed []))))))

(defun aix-lsp-connection-open ()
  "Open the buffer in the server when it is ready."
  (when-let* ((connection (aix-lsp-connection-get)))
    (when (and (aix-lsp-connection-encoding connection)
               (not aix-lsp-connection--version))
      (aix-lsp-connection--tell-root connection)
      (setq aix-lsp-connection--version 0
            aix-lsp-connection--changes nil)
      (jsonrpc-notify connection :textDocument/didOpen
                      (list :textDocument
                            (list :uri (aix-lsp-client-uri connection)
                                  :languageId (aix-lsp-connection--language)
                                  :version 0
                                  :text (aix-lsp-connection--text)))))))

(defun aix-lsp-connection-close ()
  "Close the buffer in the server."
  (when (and aix-lsp-connection--version aix-lsp-connection--current
             (jsonrpc-running-p aix-lsp-connection--current))
    (jsonrpc-notify aix-lsp-connection--current :textDocument/didClose
                    (list :textDocument
                          (list :uri (aix-lsp-client-uri aix-lsp-connection--current)))))
  (setq aix-lsp-connection--version nil))

(defun aix-lsp-connection-before-change (start end)
  "Record the range from START to END before its text changes."
  (when (and aix-lsp-connection--version (listp aix-lsp-connection--changes))
    (let ((encoding (aix-lsp-connection-encoding aix-lsp-connection--current)))
      (setq aix-lsp-connection--before
            (list start (- end start)
                  (aix-lsp-client-position encoding start)
                  (aix-lsp-client-position encoding end))))))

(defun aix-lsp-connection-after-change (start end length)
  "Record that the text from START to END has replaced LENGTH characters."
  (when aix-lsp-connection--version
    (pcase aix-lsp-connection--before
      ((and `(,(pred (eql start)) ,(pred (eql length)) ,from ,to)
            (guard (listp aix-lsp-connection--changes)))
       (push (list :range (list :start from :end to)
                   :text (buffer-substring-no-properties start end))
             aix-lsp-connection--changes))
      ;; Some commands run the two hooks with ranges that differ.
      (_ (setq aix-lsp-connection--changes t)))
    (setq aix-lsp-connection--before nil)))

(cl-defmethod aix-lsp-client-flush ((client aix-lsp-connection))
  "Tell CLIENT what has changed in the buffer."
  (when aix-lsp-connection--changes
    (jsonrpc-notify
     client :textDocument/didChange
     (list :textDocument (list :uri (aix-lsp-client-uri client)
                               :version (cl-incf aix-lsp-connection--version))
           :contentChanges
           (if (listp aix-lsp-connection--changes)
               (vconcat (reverse aix-lsp-connection--changes))
             (vector (list :text (aix-lsp-connection--text))))))
    (setq aix-lsp-connection--changes nil)))

(cl-defmethod aix-lsp-client-request ((client aix-lsp-connection) method params on-answer)
  "Request METHOD with PARAMS over CLIENT; see there for ON-ANSWER."
  (aix-lsp-connection-request client method params on-answer))

(defun aix-lsp-connection-request (connection method params on-answer)
  "Request METHOD with PARAMS over the CONNECTION; ON-ANSWER takes the answer."
  (let ((next (1+ (jsonrpc--next-request-id connection))))
    (jsonrpc-async-request connection (intern (concat ":" method)) params
                           :success-fn on-answer
                           :error-fn (lambda (err)
                                       (aix-lsp-client-failed method (plist-get err :message))
                                       (funcall on-answer 'failed))
                           :timeout (unless (equal method "workspace/executeCommand")
                                      jsonrpc-default-request-timeout)
                           :timeout-fn (lambda () (funcall on-answer 'failed)))
    next))

(cl-defmethod aix-lsp-client-notify ((client aix-lsp-connection) method params)
  "Notify METHOD with PARAMS over CLIENT."
  (jsonrpc-notify client (intern (concat ":" method)) params))

(cl-defmethod aix-lsp-client-encoding ((client aix-lsp-connection))
  "The units of columns over CLIENT."
  (aix-lsp-connection-encoding client))

(cl-defmethod aix-lsp-client-uri ((_client aix-lsp-connection))
  "The URI of the buffer; one without a file is untitled."
  (if buffer-file-name
      (aix-lsp-connection--file-uri (file-truename buffer-file-name))
    (concat "untitled:" (url-hexify-string (buffer-name)))))

(provide 'aix-lsp-connection)
;;; aix-lsp-connection.el ends here
