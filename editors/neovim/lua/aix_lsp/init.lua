--- The plugin's public functions. Ghost text is drawn by Neovim 0.12 itself (native.lua) or by ghost.lua.
local config = require('aix_lsp.config')
local pieces = require('aix_lsp.pieces')
local server = require('aix_lsp.server')
local M = {}

--- Accept the suggestion, or the part that `cut` returns.
---@return boolean accepted false if nothing is shown
local function accept(cut)
  if config.ghost_mode() == 'native' then
    return require('aix_lsp.native').accept(cut)
  end
  local ghost = require('aix_lsp.ghost').of()
  return ghost ~= nil and ghost:accept(cut)
end

function M.accept()
  return accept()
end

function M.accept_word()
  return accept(pieces.word)
end

function M.accept_line()
  return accept(pieces.line)
end

local function cycle(step)
  if config.ghost_mode() == 'native' then
    return require('aix_lsp.native').cycle(step)
  end
  local ghost = require('aix_lsp.ghost').of()
  return ghost and ghost:cycle(step)
end

function M.next()
  cycle(1)
end

function M.previous()
  cycle(-1)
end

--- Request several candidates, by hand.
function M.request()
  if config.ghost_mode() == 'native' then
    return require('aix_lsp.native').request()
  end
  local ghost = require('aix_lsp.ghost').of()
  if ghost then
    ghost:ask(true)
  end
end

--- Hide the suggestion.
---@return boolean dismissed false if nothing is shown
function M.dismiss()
  if config.ghost_mode() == 'native' then
    return require('aix_lsp.native').dismiss()
  end
  local ghosts = require('aix_lsp.ghost')
  local ghost = ghosts.of()
  if not ghost or not ghosts.shown(ghost.bufnr) then
    return false
  end
  ghost:stop()
  ghost:drop('rejected')
  return true
end

--- A short text about the server's state, for statuslines.
---@return string
function M.statusline()
  return require('aix_lsp.status').statusline()
end

local function attach(bufnr, client)
  local mode = config.ghost_mode()
  if mode == 'native' then
    require('aix_lsp.native').attach(bufnr, client)
  elseif mode == 'own' then
    require('aix_lsp.ghost').attach(bufnr, client)
  end
  if mode then
    require('aix_lsp.keys').attach(bufnr, M)
  end
  if config.options.popup and vim.lsp.completion and client.server_capabilities.completionProvider then
    local options = { autotrigger = config.options.popup_autotrigger, convert = require('aix_lsp.popup').convert }
    vim.lsp.completion.enable(true, client.id, bufnr, options)
  end
end

local function watch()
  local group = vim.api.nvim_create_augroup('aix_lsp', {})
  vim.api.nvim_create_autocmd('LspAttach', {
    group = group,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if client and client.name == server.name then
        attach(event.buf, client)
      end
    end,
  })
  vim.api.nvim_create_autocmd('LspDetach', {
    group = group,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if client and client.name == server.name then
        require('aix_lsp.ghost').detach(event.buf)
      end
    end,
  })
end

--- Start with these options; `:help aix-lsp-options` lists them.
---@param options aix_lsp.Options|nil
function M.setup(options)
  config.set(options)
  vim.api.nvim_set_hl(0, 'AixLspGhost', { link = 'NonText', default = true })
  require('aix_lsp.command').define()
  watch()
  server.enable()
end

return M
