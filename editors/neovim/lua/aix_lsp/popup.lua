--- Owns what Neovim's completion popup inserts for our entries. Knows nothing of when it opens.
local M = {}

--- The text right of the cursor that an edit removes. Neovim uses utf-8 positions with our server: bytes.
local function replaced(edit)
  local range = edit.range or edit.replace
  if not range then
    return ''
  end
  local column = vim.api.nvim_win_get_cursor(0)[2]
  return vim.api.nvim_get_current_line():sub(column + 1, range['end'].character)
end

--- Neovim inserts only the first word of an entry's text (0.11), and leaves in place what the edit would replace right
--- of the cursor, which duplicated brackets. Other servers' entries come here, too, and stay as they are.
---@param item lsp.CompletionItem
---@return table of |complete-items|
function M.convert(item)
  if vim.tbl_get(item, 'command', 'command') ~= 'aix.accept' or not item.textEdit then
    return {}
  end
  local text, after = item.textEdit.newText, replaced(item.textEdit)
  if after == '' and vim.fn.has('nvim-0.12') == 1 then
    return {}
  end
  local word = vim.split(text, '\n')[1]
  if after ~= '' and vim.endswith(word, after) then
    word = word:sub(1, -#after - 1)
  end
  return { word = word }
end

return M
