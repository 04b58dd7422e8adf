-- Neovim 0.10 or newer: put this into init.lua (:edit $MYVIMRC). The plugin is part of this installation of aix-lsp.
vim.opt.runtimepath:append("@PLUGIN@")
require("aix_lsp").setup({ cmd = { "@COMMAND@", "--stdio" } })
-- To check that it works: open a source file, type in it, <Tab> accepts the grey text; :checkhealth aix_lsp shows what is missing.
