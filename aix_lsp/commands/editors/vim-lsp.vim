" Vim with vim-lsp (https://github.com/prabirshrestha/vim-lsp) and asyncomplete-lsp: put this into your vimrc.
augroup aix_lsp
  autocmd!
  autocmd User lsp_setup call lsp#register_server({
  \   'name': 'aix-lsp',
  \   'cmd': {server_info -> ['@COMMAND@']},
  \   'allowlist': ['*'],
  \ })
augroup END
" To check that it works: open a source file, type in it; then :LspStatus shows aix-lsp running.
