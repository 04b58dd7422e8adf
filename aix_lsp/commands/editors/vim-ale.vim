" Vim with ALE (https://github.com/dense-analysis/ale): put this into your vimrc.
let g:ale_completion_enabled = 1
function! s:DefineAixLsp() abort
  for l:filetype in split('c cpp cs css go html java javascript kotlin lua php python ruby rust scala sh swift typescript')
    call ale#linter#Define(l:filetype, {
    \   'name': 'aix_lsp',
    \   'lsp': 'stdio',
    \   'executable': '@COMMAND@',
    \   'command': '%e',
    \   'project_root': {buffer -> getcwd()},
    \})
  endfor
endfunction
augroup aix_lsp
  autocmd!
  " ALE may be a package, which is there only once Vim has started.
  autocmd VimEnter * call s:DefineAixLsp()
augroup END
" To see that it works: open a source file, type in it; then :ALEInfo lists aix_lsp.
