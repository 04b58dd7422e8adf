;; Emacs 30.1 or newer: put this into your init file (C-x C-f ~/.emacs.d/init.el). The package is part of this
;; installation of aix-lsp; it works beside Eglot and lsp-mode, whatever servers they run.
(add-to-list 'load-path "@PLUGIN@")
(require 'aix-lsp)
(setq aix-lsp-command '("@COMMAND@" "--stdio"))
(add-hook 'prog-mode-hook #'aix-lsp-mode)
;; To check that it works: open a source file, type in it, TAB accepts the grey text; the mode line says "aix".
