--- Owns how a suggestion is drawn: extmarks of one namespace, at the cursor. Knows nothing of requests.
local api = vim.api
local M = {}

M.namespace = api.nvim_create_namespace('aix_lsp.ghost')

function M.hide(bufnr)
  if api.nvim_buf_is_valid(bufnr) then
    api.nvim_buf_clear_namespace(bufnr, M.namespace, 0, -1)
  end
end

--- Find `replaced` in `line` as a subsequence, from the right; returns the new text between its characters.
---@return string[]|nil segments one before each byte of `replaced`, and the rest; nil if it is not a subsequence
function M.between(line, replaced)
  local segments, last = {}, #line
  for i = #replaced, 1, -1 do
    local at = last
    while at > 0 and line:byte(at) ~= replaced:byte(i) do
      at = at - 1
    end
    if at == 0 then
      return nil
    end
    table.insert(segments, 1, line:sub(at + 1, last))
    last = at - 1
  end
  table.insert(segments, 1, line:sub(1, last))
  return segments
end

local function chunk(text, group)
  return { text, group }
end

--- Virtual lines show a tab as one cell, so expand it as the buffer would.
local function spaced(bufnr, text)
  local width = vim.bo[bufnr].tabstop
  local out, column = {}, 0
  for part, tab in text:gmatch('([^\t]*)(\t?)') do
    column = column + vim.fn.strdisplaywidth(part)
    local pad = tab ~= '' and width - column % width or 0
    column = column + pad
    table.insert(out, part .. (' '):rep(pad))
  end
  return table.concat(out)
end

local function inline(bufnr, row, col, text, group)
  api.nvim_buf_set_extmark(bufnr, M.namespace, row, col, {
    virt_text = { chunk(text, group) },
    virt_text_pos = 'inline',
    hl_mode = 'combine',
    right_gravity = false,
  })
end

--- Draw one line: the new text goes between the characters that it replaces.
local function draw_line(bufnr, row, col, line, replaced, group)
  local segments = M.between(line, replaced)
  if not segments then
    api.nvim_buf_set_extmark(bufnr, M.namespace, row, col, {
      virt_text = { chunk(line, group) },
      virt_text_pos = 'overlay',
    })
    return
  end
  for i, segment in ipairs(segments) do
    if segment ~= '' then
      inline(bufnr, row, col + i - 1, segment, group)
    end
  end
end

--- Draw several lines: the text right of the cursor moves to the end of the last one.
local function draw_block(bufnr, row, col, lines, rest, group)
  local below = {}
  for i = 2, #lines do
    below[i - 1] = { chunk(spaced(bufnr, lines[i]), group) }
  end
  local first = lines[1]
  if rest ~= '' then
    table.insert(below[#below], chunk(rest, 'Normal'))
    local gap = vim.fn.strdisplaywidth(rest) - vim.fn.strdisplaywidth(first)
    first = first .. (' '):rep(math.max(0, gap))
  end
  api.nvim_buf_set_extmark(bufnr, M.namespace, row, col, {
    virt_text = first ~= '' and { chunk(first, group) } or nil,
    virt_text_pos = rest ~= '' and 'overlay' or 'inline',
    virt_lines = below,
    right_gravity = false,
  })
end

--- Draw `text` at a place, instead of whatever was drawn before.
---@param bufnr integer
---@param row integer 0-based
---@param col integer 0-based, bytes
---@param text string
---@param replaced string the text right of the place that `text` replaces
---@param group string highlight group
function M.show(bufnr, row, col, text, replaced, group)
  M.hide(bufnr)
  local lines = vim.split(text, '\n', { plain = true })
  if #lines == 1 then
    draw_line(bufnr, row, col, lines[1], replaced, group)
  else
    local tail = api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1]:sub(col + 1)
    draw_block(bufnr, row, col, lines, tail:sub(#replaced + 1), group)
  end
end

return M
