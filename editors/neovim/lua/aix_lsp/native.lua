--- Owns the use of Neovim 0.12's own ghost text, `vim.lsp.inline_completion`, and adds accepting in pieces.
local config = require('aix_lsp.config')
local M = {}

local function inline()
  return vim.lsp.inline_completion
end

local function namespace()
  return vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion']
end

--- What we know of each buffer's latest answer, which Neovim keeps to itself.
---@type table<integer, { invoke: boolean|nil, count: integer, after: fun()|nil, position: { row: integer, col: integer } }>
local states = {}

local function state(bufnr)
  states[bufnr] = states[bufnr] or { count = 0 }
  return states[bufnr]
end

--- Neovim sends automatic requests only, which get one candidate: mark those that the user has asked for by hand.
local function hook(client)
  if rawget(client, 'aix_lsp_hooked') then
    return
  end
  client.aix_lsp_hooked = true
  local request = client.request
  client.request = function(self, method, params, handler, bufnr)
    if method ~= 'textDocument/inlineCompletion' or not handler then
      return request(self, method, params, handler, bufnr)
    end
    local known = state((bufnr or 0) == 0 and vim.api.nvim_get_current_buf() or bufnr)
    params.context.triggerKind = known.invoke and 1 or params.context.triggerKind
    local after, cursor = known.after, vim.api.nvim_win_get_cursor(0)
    known.invoke, known.after = nil, nil
    return request(self, method, params, function(err, result, ...)
      if result then
        known.count = #(result.items or result)
        known.position = { row = cursor[1] - 1, col = cursor[2] }
      end
      handler(err, result, ...)
      if after and not err then
        after()
      end
    end, bufnr)
  end
end

function M.attach(bufnr, client)
  hook(client)
  vim.api.nvim_set_hl(0, 'ComplHint', { link = config.options.highlight, default = true })
  inline().enable(true, { bufnr = bufnr, client_id = client.id })
end

function M.shown(bufnr)
  local ns = namespace()
  return ns ~= nil and #vim.api.nvim_buf_get_extmarks(bufnr, ns, 0, -1, { limit = 1 }) > 0
end

--- The part of an item still to be typed, and how many bytes right of the cursor it replaces; nil if the buffer's text
--- has become different: Neovim keeps showing an item, and would insert it, until the next answer.
local function remaining(item)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local row, col = cursor[1] - 1, cursor[2]
  local text, replaced = item.insert_text, 0
  local asked = state(vim.api.nvim_get_current_buf()).position
  if type(text) ~= 'string' or not asked then
    return nil
  end
  text = text:gsub('\r\n', '\n')
  local start_row, start_col = asked.row, asked.col
  if item.range then
    local end_row, end_col
    start_row, start_col, end_row, end_col = item.range:to_extmark()
    replaced = end_row == asked.row and math.max(0, end_col - asked.col) or 0
  end
  if start_row > row or (start_row == row and start_col > col) then
    return nil
  end
  local typed = table.concat(vim.api.nvim_buf_get_text(0, start_row, start_col, row, col, {}), '\n')
  return vim.startswith(text, typed) and text:sub(#typed + 1) or nil, replaced
end

--- Insert the rest of an item, or the part of it that `cut` returns, at the cursor.
local function insert(item, cut)
  local rest, replaced = remaining(item)
  if not rest or rest == '' then
    return
  end
  local cursor = vim.api.nvim_win_get_cursor(0)
  local row, col = cursor[1] - 1, cursor[2]
  local piece = cut and cut(rest) or rest
  local whole = piece == rest
  local stop = col + (whole and replaced or 0)
  local lines = vim.split(piece, '\n', { plain = true })
  vim.api.nvim_buf_set_text(0, row, col, row, math.min(stop, #vim.api.nvim_get_current_line()), lines)
  vim.api.nvim_win_set_cursor(0, { row + #lines, #lines[#lines] + (#lines == 1 and col or 0) })
  local client = whole and item.command and vim.lsp.get_client_by_id(item.client_id)
  if client then
    client:exec_cmd(item.command, { bufnr = vim.api.nvim_get_current_buf() })
  end
end

--- Accept what is shown, or the part of it that `cut` returns.
---@return boolean
function M.accept(cut)
  if not M.shown(0) then
    return false
  end
  return inline().get({
    on_accept = function(item)
      local client = vim.lsp.get_client_by_id(item.client_id)
      if not client or client.name ~= require('aix_lsp.server').name then
        return item -- another server's, which Neovim inserts as usual
      end
      insert(item, cut)
    end,
  })
end

--- Make Neovim's ghost text of a buffer do what it does at an event.
local function tell(bufnr, event)
  local group = 'nvim.lsp.inline_completion:' .. bufnr
  vim.api.nvim_exec_autocmds(event, { group = group, buffer = bufnr, modeline = false })
end

--- Request several candidates now.
---@param after fun()|nil called when the answer is shown
function M.request(after)
  local bufnr = vim.api.nvim_get_current_buf()
  local known = state(bufnr)
  known.invoke, known.after = true, after
  tell(bufnr, 'CursorMovedI')
end

--- How many candidates the buffer's latest answer had.
---@return integer
function M.count(bufnr)
  return state(bufnr == 0 and vim.api.nvim_get_current_buf() or bufnr).count
end

--- Show another candidate; request more if there is only one.
function M.cycle(step)
  local bufnr = vim.api.nvim_get_current_buf()
  local function turn()
    if M.count(bufnr) > 1 then
      inline().select({ bufnr = bufnr, count = step })
    end
  end
  if M.count(bufnr) > 1 then
    turn()
  else
    M.request(turn)
  end
end

--- Hide what is shown until the next key; pending answers are not shown, either.
function M.dismiss()
  local bufnr = vim.api.nvim_get_current_buf()
  local shown = M.shown(bufnr)
  if shown then
    tell(bufnr, 'InsertLeave')
  end
  return shown
end

return M
