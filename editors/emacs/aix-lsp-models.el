;;; aix-lsp-models.el --- Choose and download a model -*- lexical-binding: t; -*-

;; Copyright (C) 2026  aix-lsp contributors
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Owns the choice of a model: the list, the question about the licence, and
;; the download.

;;; Code:

(require 'cl-lib)
(require 'aix-lsp)

(defconst aix-lsp-models--patience 90
  "Seconds that the list may take.")

(defun aix-lsp-models--run (client command arguments on-answer)
  "Run the server's COMMAND with ARGUMENTS over CLIENT; ON-ANSWER takes its answer.
The client reports failures."
  (aix-lsp-client-request
   client "workspace/executeCommand"
   (list :command command :arguments (vconcat arguments))
   (lambda (answer) (unless (eq answer 'failed) (funcall on-answer answer)))))

(defun aix-lsp-models--list (client)
  "The models that CLIENT's server offers: a plist of :current and :choices."
  (let ((told 'waiting))
    (aix-lsp-models--run client "aix.models" nil (lambda (answer) (setq told answer)))
    (with-timeout (aix-lsp-models--patience
                   (user-error "The server did not list its models"))
      (while (eq told 'waiting) (accept-process-output nil 0.05)))
    told))

(defun aix-lsp-models--read (told)
  "Let the user choose one of the models TOLD by the server."
  (let* ((choices (append (plist-get told :choices) nil))
         (named (mapcar (lambda (choice) (cons (plist-get choice :label) choice)) choices))
         (completion-extra-properties
          (list :annotation-function
                (lambda (label)
                  (concat "  " (plist-get (cdr (assoc label named)) :about)))))
         (label (completing-read (format "Model (now %s): " (plist-get told :current))
                                 named nil t)))
    (or (cdr (assoc label named)) (user-error "No model was chosen"))))

(defun aix-lsp-models--use (client model)
  "Make CLIENT's server use MODEL, and tell the user how to keep it."
  (aix-lsp-models--run
   client "aix.switchModel" (list model)
   (lambda (_)
     (message "aix-lsp: %s is in use until the server exits; %s" model
              (format "to keep it, add :model %S to `aix-lsp-settings'" model)))))

;;;###autoload
(defun aix-lsp-choose-model ()
  "Use another of the models on this computer and in the catalogue.
A model that is not on disk is downloaded once you have agreed to its licence."
  (interactive)
  (let* ((client (or (aix-lsp--client)
                     (user-error "No server is running here: try M-x aix-lsp-mode")))
         (choice (aix-lsp-models--read (aix-lsp-models--list client)))
         (model (plist-get choice :model))
         (get (plist-get choice :get)))
    (cond
     ((not get) (aix-lsp-models--use client model))
     ((yes-or-no-p (format "%s is under the %s.  Download %s GB and agree? "
                           get (plist-get choice :licence) (plist-get choice :gb)))
      (message "aix-lsp: downloading %s" get)
      (aix-lsp-models--run client "aix.getModel" (list (list :name get :agreed t))
                           (lambda (_) (aix-lsp-models--use client model)))))))

(provide 'aix-lsp-models)
;;; aix-lsp-models.el ends here
