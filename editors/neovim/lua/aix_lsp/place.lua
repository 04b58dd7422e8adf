--- Owns the place of a request in a buffer, and what has been typed there since. Knows nothing of suggestions.
local api = vim.api
local M = {}

---@class aix_lsp.Place
---@field bufnr integer
---@field tick integer the buffer's changedtick
---@field row integer 0-based
---@field col integer 0-based, bytes
---@field head string the line before the cursor
---@field tail string the line after the cursor

--- The cursor's place in the current window.
---@return aix_lsp.Place
function M.here()
  local bufnr = api.nvim_get_current_buf()
  local cursor = api.nvim_win_get_cursor(0)
  local line = api.nvim_get_current_line()
  return {
    bufnr = bufnr,
    tick = api.nvim_buf_get_changedtick(bufnr),
    row = cursor[1] - 1,
    col = cursor[2],
    head = line:sub(1, cursor[2]),
    tail = line:sub(cursor[2] + 1),
  }
end

--- The text between a place and the cursor; nil if the text around it is no longer the same, since then a
--- suggestion made for the place says nothing about the cursor.
---@param place aix_lsp.Place
---@return string|nil
function M.typed_since(place)
  local now = M.here()
  if now.bufnr ~= place.bufnr or now.tail ~= place.tail then
    return nil
  end
  if now.row < place.row or (now.row == place.row and now.col < place.col) then
    return nil
  end
  local first = api.nvim_buf_get_lines(place.bufnr, place.row, place.row + 1, false)[1] or ''
  if first:sub(1, place.col) ~= place.head then
    return nil
  end
  local between = api.nvim_buf_get_text(place.bufnr, place.row, place.col, now.row, now.col, {})
  return table.concat(between, '\n')
end

--- The byte offset in a line of a position in the client's encoding.
---@param line string
---@param character integer
---@param encoding string
---@return integer
function M.byte(line, character, encoding)
  if encoding == 'utf-8' then
    return math.min(character, #line)
  end
  if vim.fn.has('nvim-0.11') == 1 then
    return vim.str_byteindex(line, encoding, character, false)
  end
  local ok, byte = pcall(vim.str_byteindex, line, character, encoding == 'utf-16')
  return ok and byte or #line
end

--- The length of a text in UTF-16 code units, as the protocol counts accepted text.
---@param text string
---@return integer
function M.utf16_length(text)
  if vim.fn.has('nvim-0.11') == 1 then
    return vim.str_utfindex(text, 'utf-16')
  end
  local _, units = vim.str_utfindex(text)
  return units
end

return M
