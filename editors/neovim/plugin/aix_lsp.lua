-- `:AixLsp install` works without any setup; everything else begins with require('aix_lsp').setup().
if vim.g.loaded_aix_lsp then
  return
end
vim.g.loaded_aix_lsp = true

if vim.fn.has('nvim-0.10') == 0 then
  vim.notify('aix-lsp needs Neovim 0.10 or newer', vim.log.levels.WARN)
  return
end
require('aix_lsp.command').define()
