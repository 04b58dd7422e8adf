" Registers aix-lsp as one of ALE's servers, for all filetypes. Popup only: Vim has no ghost text over LSP.
if exists('g:loaded_aix_lsp')
  finish
endif
let g:loaded_aix_lsp = 1

let s:keep_cpo = &cpo
set cpo&vim

" The server's command and its settings, such as {'maxTokens': 128}.
let g:aix_lsp_command = get(g:, 'aix_lsp_command', 'aix-lsp --stdio')
let g:aix_lsp_settings = get(g:, 'aix_lsp_settings', {})
" Filetypes to leave alone.
let g:aix_lsp_exclude = get(g:, 'aix_lsp_exclude', ['', 'help', 'qf', 'netrw', 'gitcommit'])

function! s:Root(buffer) abort
  let l:file = expand('#' . a:buffer . ':p')
  for l:marker in ['.aix-lsp.toml', '.git/', '.hg/']
    let l:found = l:marker =~# '/$'
          \ ? finddir(trim(l:marker, '/'), fnamemodify(l:file, ':h') . ';')
          \ : findfile(l:marker, fnamemodify(l:file, ':h') . ';')
    if !empty(l:found)
      return fnamemodify(l:found, l:marker =~# '/$' ? ':p:h:h' : ':p:h')
    endif
  endfor
  return fnamemodify(l:file, ':h')
endfunction

function! s:Define(filetype) abort
  if index(g:aix_lsp_exclude, a:filetype) >= 0 || a:filetype =~# '\.'
    return
  endif
  call ale#linter#Define(a:filetype, {
        \ 'name': 'aix_lsp',
        \ 'lsp': 'stdio',
        \ 'executable': {-> split(g:aix_lsp_command)[0]},
        \ 'command': {-> g:aix_lsp_command},
        \ 'project_root': function('s:Root'),
        \ 'initialization_options': {-> g:aix_lsp_settings},
        \ 'lsp_config': {-> {'aix': g:aix_lsp_settings}},
        \})
  call s:Enable(a:filetype)
endfunction

" ALE runs the linters of g:ale_linters, or for many filetypes its own list: ours is added to either.
function! s:Enable(filetype) abort
  let l:names = map(copy(ale#linter#Get(a:filetype)), {_, linter -> linter.name})
  if index(l:names, 'aix_lsp') < 0
    let b:ale_linters = l:names + ['aix_lsp']
  endif
endfunction

" ALE looks up a filetype's linters at the first event after this one.
augroup aix_lsp
  autocmd!
  autocmd FileType * if exists('*ale#linter#Define') || !empty(globpath(&runtimepath, 'autoload/ale/linter.vim'))
        \ | call s:Define(expand('<amatch>')) | endif
augroup END

let &cpo = s:keep_cpo
unlet s:keep_cpo
