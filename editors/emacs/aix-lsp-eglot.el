;;; aix-lsp-eglot.el --- aix-lsp as Eglot's server -*- lexical-binding: t; -*-

;; Copyright (C) 2026  aix-lsp contributors
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Owns ghost text over Eglot's own connection, for modes whose Eglot server is
;; aix-lsp itself (so that they get its completion popup, too).  Eglot allows
;; one server per buffer: if that is the language's own, `aix-lsp-mode' opens
;; another connection instead, and this file has nothing to do.

;;; Code:

(require 'eglot)
(require 'aix-lsp-client)
(require 'aix-lsp-connection)

(declare-function eglot--signal-textDocument/didChange "eglot")

(defvar aix-lsp-eglot--modes nil "Modes whose Eglot server is aix-lsp.")

(defclass aix-lsp-eglot-server (eglot-lsp-server) ()
  :documentation "aix-lsp as Eglot's server.")

;;;###autoload
(defun aix-lsp-eglot-setup (&rest modes)
  "Make aix-lsp the Eglot server of MODES that have no better one."
  (dolist (mode modes)
    (cl-pushnew mode aix-lsp-eglot--modes)
    (add-to-list 'eglot-server-programs
                 (cons mode (lambda (&rest _)
                              (cons 'aix-lsp-eglot-server aix-lsp-command)))))
  (add-hook 'aix-lsp-client-functions #'aix-lsp-eglot-client))

(defun aix-lsp-eglot-client ()
  "The buffer's Eglot server, if it is aix-lsp; `pending' until it exists."
  (let ((server (and (eglot-managed-p) (eglot-current-server))))
    (cond ((and (cl-typep server 'aix-lsp-eglot-server) (jsonrpc-running-p server))
           server)
          ((and (not server) (apply #'derived-mode-p aix-lsp-eglot--modes))
           'pending))))

(cl-defmethod eglot-initialization-options ((_server aix-lsp-eglot-server))
  "The settings of aix-lsp."
  (or aix-lsp-settings eglot--{}))

(cl-defmethod eglot-client-capabilities ((_server aix-lsp-eglot-server))
  "Eglot's capabilities, and the server's status."
  (plist-put (copy-sequence (cl-call-next-method))
             :experimental '(:aix (:status t))))

(cl-defmethod eglot-handle-notification
  ((_server aix-lsp-eglot-server) (_method (eql $/progress)) &key token value)
  "Handle the progress VALUE of TOKEN if it belongs to ghost text."
  (unless (aix-lsp-client-progress token value)
    (cl-call-next-method)))

(cl-defmethod eglot-handle-notification
  ((_server aix-lsp-eglot-server) (_method (eql aix/status)) &rest status)
  "Note the server's STATUS."
  (aix-lsp-client-on-status status))

(cl-defmethod aix-lsp-client-flush ((_client aix-lsp-eglot-server))
  "Let Eglot send what has changed."
  (eglot--signal-textDocument/didChange))

(cl-defmethod aix-lsp-client-request ((client aix-lsp-eglot-server) method params on-answer)
  "Request METHOD with PARAMS over CLIENT; ON-ANSWER takes the answer."
  (aix-lsp-connection-request client method params on-answer))

(cl-defmethod aix-lsp-client-notify ((client aix-lsp-eglot-server) method params)
  "Notify METHOD with PARAMS over CLIENT."
  (jsonrpc-notify client (intern (concat ":" method)) params))

(cl-defmethod aix-lsp-client-encoding ((_client aix-lsp-eglot-server))
  "The unit of columns that Eglot has negotiated with the server."
  (or (eglot-server-capable :positionEncoding) "utf-16"))

(cl-defmethod aix-lsp-client-uri ((_client aix-lsp-eglot-server))
  "The URI of the buffer as Eglot names it."
  (eglot-path-to-uri (file-truename buffer-file-name)))

(provide 'aix-lsp-eglot)
;;; aix-lsp-eglot.el ends here
