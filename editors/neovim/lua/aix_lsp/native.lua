--- Owns the use of Neovim 0.12's own ghost text, `vim.lsp.inline_completion`: accepting in pieces, on top of it.
local config = require('aix_lsp.config')
local M = {}

local function inline()
  return vim.lsp.inline_completion
end

local function namespace()
  return vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion']
end

function M.attach(bufnr, client)
  vim.api.nvim_set_hl(0, 'ComplHint', { link = config.options.highlight, default = true })
  inline().enable(true, { bufnr = bufnr, client_id = client.id })
end

function M.shown(bufnr)
  local ns = namespace()
  return ns ~= nil and #vim.api.nvim_buf_get_extmarks(bufnr, ns, 0, -1, { limit = 1 }) > 0
end

--- Insert the head of an item that `cut` takes, behind what of it is typed already.
local function insert_piece(item, cut)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local row, col = cursor[1] - 1, cursor[2]
  local text, typed = item.insert_text, ''
  if item.range then
    local start_row, start_col = item.range:to_extmark()
    typed = table.concat(vim.api.nvim_buf_get_text(0, start_row, start_col, row, col, {}), '\n')
  end
  if type(text) ~= 'string' or not vim.startswith(text, typed) then
    return item
  end
  local rest = text:sub(#typed + 1)
  local piece = cut(rest)
  if piece == rest then
    return item
  end
  local lines = vim.split(piece, '\n', { plain = true })
  vim.api.nvim_buf_set_text(0, row, col, row, col, lines)
  vim.api.nvim_win_set_cursor(0, { row + #lines, #lines[#lines] + (#lines == 1 and col or 0) })
  return nil
end

--- Accept what is shown, or what `cut` takes of it.
---@return boolean
function M.accept(cut)
  if not M.shown(0) then
    return false
  end
  return inline().get(cut and {
    on_accept = function(item)
      return insert_piece(item, cut)
    end,
  } or {})
end

function M.cycle(step)
  inline().select({ count = step })
end

--- Hide what is shown, until the next key.
function M.dismiss()
  local bufnr, client = vim.api.nvim_get_current_buf(), require('aix_lsp.server').client(0)
  local shown = M.shown(bufnr)
  if shown and client then
    -- Enabling asks at once: that has to wait for the next key, or the same text is back.
    local filter = { bufnr = bufnr, client_id = client.id }
    local group = vim.api.nvim_create_augroup('aix_lsp.dismissed.' .. bufnr, { clear = true })
    inline().enable(false, filter)
    vim.api.nvim_buf_clear_namespace(bufnr, namespace(), 0, -1)
    vim.api.nvim_create_autocmd({ 'TextChangedI', 'InsertLeave' }, {
      group = group,
      buffer = bufnr,
      callback = function()
        vim.api.nvim_del_augroup_by_id(group)
        if not client:is_stopped() then
          inline().enable(true, filter)
        end
      end,
    })
  end
  return shown
end

return M
