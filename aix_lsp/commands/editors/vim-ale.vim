" Vim with ALE (https://github.com/dense-analysis/ale): put this into your vimrc.
let g:ale_completion_enabled = 1
function! s:AddAixLsp(filetype) abort
  if index(['', 'help', 'qf', 'netrw', 'gitcommit'], a:filetype) >= 0 || a:filetype =~# '\.'
    return
  endif
  call ale#linter#Define(a:filetype, {
  \   'name': 'aix_lsp',
  \   'lsp': 'stdio',
  \   'executable': '@COMMAND@',
  \   'command': '%e',
  \   'project_root': {buffer -> getcwd()},
  \})
  " ALE runs the linters in g:ale_linters, or its own default list for many filetypes: add this one.
  let l:names = map(copy(ale#linter#Get(a:filetype)), {_, linter -> linter.name})
  if index(l:names, 'aix_lsp') < 0
    let b:ale_linters = l:names + ['aix_lsp']
  endif
endfunction
augroup aix_lsp
  autocmd!
  autocmd FileType * if !empty(globpath(&runtimepath, 'autoload/ale/linter.vim'))
  \ | call s:AddAixLsp(expand('<amatch>')) | endif
augroup END
" To check that it works: open a source file, type in it; then :ALEInfo lists aix_lsp among the enabled linters.
