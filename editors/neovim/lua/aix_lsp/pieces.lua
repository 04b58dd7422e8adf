--- Owns where a suggestion is cut when only its next word or line is accepted. Pure text.
local M = {}

--- The next word, or run of punctuation, with the blanks before it.
---@param text string
---@return string
function M.word(text)
  for _, pattern in ipairs({ [[^\_s*\k\+]], [[^\_s*\%(\k\@!\S\)\+]] }) do
    local found = vim.fn.matchstr(text, pattern)
    if found ~= '' then
      return found
    end
  end
  return text
end

--- To the end of the line; at a line's end, the line break and the whole next line that is not blank.
---@param text string
---@return string
function M.line(text)
  return text:match('^%s*\n[^\n]*') or text:match('^[^\n]*')
end

return M
