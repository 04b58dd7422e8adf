--- Owns what is said in the message line: one line that fits, for more would stop whoever types with a hit-enter prompt.
local M = {}

--- Say a text; what of it doesn't fit is left out.
---@param text string
---@param level integer
function M.line(text, level)
  text = 'aix-lsp: ' .. text:gsub('%s+', ' ')
  vim.notify(vim.fn.strcharpart(text, 0, math.max(20, vim.o.columns - 15)), level)
end

return M
