--- Owns the keys: maps them in a buffer, and passes a key with nothing to do on to its former mapping.
local config = require('aix_lsp.config')
local M = {}

local function feed(keys, remap)
  keys = vim.api.nvim_replace_termcodes(keys, true, false, true)
  vim.api.nvim_feedkeys(keys, remap and 'im' or 'in', false)
end

--- Do what the key did before we mapped it: run its mapping, or feed the key itself.
local function fall_back(lhs, before)
  if vim.tbl_isempty(before) then
    return feed(lhs)
  end
  if before.callback then
    local result = before.callback()
    if before.expr == 1 and type(result) == 'string' and result ~= '' then
      feed(result, before.noremap == 0)
    end
    return
  end
  local rhs = before.rhs or ''
  if before.expr == 1 then
    rhs = vim.api.nvim_eval(rhs)
  end
  feed(rhs, before.noremap == 0)
end

--- Map one key in insert mode.
---@param act fun(): boolean|nil false: nothing to do, pass the key on
local function map(bufnr, lhs, act, description)
  local before = vim.api.nvim_buf_call(bufnr, function()
    return vim.fn.maparg(lhs, 'i', false, true)
  end)
  if before.desc and vim.startswith(before.desc, 'aix-lsp: ') then
    return
  end
  vim.keymap.set('i', lhs, function()
    if act() == false then
      fall_back(lhs, before)
    end
  end, { buffer = bufnr, desc = 'aix-lsp: ' .. description })
end

--- Map the keys of the options in a buffer.
---@param actions table<string, fun(): boolean|nil>
function M.attach(bufnr, actions)
  local keys = config.options.keys
  if type(keys) ~= 'table' then
    return
  end
  for name, lhs in pairs(keys) do
    if lhs and actions[name] then
      map(bufnr, lhs, actions[name], (name:gsub('_', ' ')))
    end
  end
end

return M
