--- Shows messages: one line that fits, since more would interrupt a typing user with a hit-enter prompt.
local M = {}

--- Show a text; the part that does not fit is left out.
---@param text string
---@param level integer
function M.line(text, level)
  text = 'aix-lsp: ' .. text:gsub('%s+', ' ')
  vim.notify(vim.fn.strcharpart(text, 0, math.max(20, vim.o.columns - 15)), level)
end

return M
