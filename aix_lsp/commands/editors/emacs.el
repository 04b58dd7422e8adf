;; Emacs: put one of the two into your init file (C-x C-f ~/.emacs.d/init.el).

;; With lsp-mode, beside the language's own server:
(with-eval-after-load 'lsp-mode
  (lsp-register-client
   (make-lsp-client :new-connection (lsp-stdio-connection '("@COMMAND@"))
                    :activation-fn (lambda (&rest _) (derived-mode-p 'prog-mode))
                    :add-on? t
                    :priority -1
                    :server-id 'aix-lsp)))

;; With eglot, which runs one server a buffer: M-x eglot then starts aix-lsp where no other server is known.
(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs '(prog-mode . ("@COMMAND@")) t))

;; To see that it works: open a source file, M-x lsp (or M-x eglot), type, and C-M-i.
