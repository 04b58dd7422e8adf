--- Owns the streaming request: sends it, passes on its growing text and final answer, ends it. Draws nothing.
local place_of = require('aix_lsp.place')
local M = {}

---@class aix_lsp.Item
---@field text string to insert at the request's place
---@field replaced string the text right of the place that is removed
---@field lsp table|nil the item as the server sent it; only in a final answer

---@type table<string, fun(value: table)>
local listeners = {}
local count = 0

--- For a client's `handlers`: handles the progress of our requests, and leaves all other to Neovim.
function M.on_progress(err, params, ctx, config)
  local listener = params and listeners[params.token]
  if listener then
    return listener(params.value)
  end
  local default = vim.lsp.handlers['$/progress']
  return default and default(err, params, ctx, config)
end

--- Send a request; older versions of Neovim call a client's methods without self.
---@param client vim.lsp.Client
---@return boolean sent, integer|nil id
function M.request(client, method, params, handler, bufnr)
  if vim.fn.has('nvim-0.11') == 1 then
    return client:request(method, params, handler, bufnr)
  end
  return client.request(method, params, handler, bufnr)
end

--- Send a notification.
function M.notify(client, method, params)
  if vim.fn.has('nvim-0.11') == 1 then
    client:notify(method, params)
  else
    client.notify(method, params)
  end
end

local function unix(text)
  return (text:gsub('\r\n', '\n'))
end

--- Convert an item of the server to one relative to the request's place.
---@return aix_lsp.Item|nil nil if it does not fit there
function M.item(lsp, place, encoding)
  local text = lsp.insertText
  text = unix(type(text) == 'table' and text.value or text or '')
  local range = lsp.range
  if not range then
    return { text = text, replaced = '', lsp = lsp }
  end
  local line = place.head .. place.tail
  if range.start.line ~= place.row or range['end'].line ~= place.row then
    return nil
  end
  local from = place_of.byte(line, range.start.character, encoding)
  local to = place_of.byte(line, range['end'].character, encoding)
  local kept = line:sub(from + 1, place.col)
  if from > place.col or to < place.col or not vim.startswith(text, kept) then
    return nil
  end
  return { text = text:sub(#kept + 1), replaced = line:sub(place.col + 1, to), lsp = lsp }
end

local function items_of(result, place, encoding)
  local found = {}
  for _, lsp in ipairs(result and (result.items or result) or {}) do
    local item = M.item(lsp, place, encoding)
    if item and item.text ~= '' then
      table.insert(found, item)
    end
  end
  return found
end

--- Request suggestions at a place.
---@param client vim.lsp.Client
---@param place aix_lsp.Place
---@param invoked boolean whether the user requested it by hand
---@param on_items fun(items: aix_lsp.Item[]|nil, done: boolean) nil: no answer came (cancelled, or an error)
---@return fun() cancel
function M.ask(client, place, invoked, on_items)
  count = count + 1
  local token = 'aix-ghost-' .. count
  local encoding = client.offset_encoding
  local params = vim.lsp.util.make_position_params(0, encoding)
  params.context = { triggerKind = invoked and 1 or 2 }
  params.partialResultToken = token
  local latest = -1
  listeners[token] = function(value)
    if type(value.text) == 'string' and value.text ~= '' and (value.sequence or 0) > latest then
      latest = value.sequence or latest + 1
      local item = M.item({ insertText = value.text, range = value.range }, place, encoding)
      on_items(item and { item } or {}, false)
    end
  end
  local ok, id = M.request(client, 'aix/inlineCompletion', params, function(err, result)
    listeners[token] = nil
    on_items(not err and items_of(result, place, encoding) or nil, true)
  end, place.bufnr)
  return function()
    if ok and listeners[token] then
      listeners[token] = nil
      local has_self = vim.fn.has('nvim-0.11') == 1
      pcall(client.cancel_request, has_self and client or id, has_self and id or nil)
    end
  end
end

return M
