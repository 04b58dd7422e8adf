--- Owns the ghost text of a buffer: when it is requested, what is shown of it, what is accepted.
local config = require('aix_lsp.config')
local menu = require('aix_lsp.menu')
local place_of = require('aix_lsp.place')
local render = require('aix_lsp.render')
local stream = require('aix_lsp.stream')
local api = vim.api

---@class aix_lsp.Ghost
---@field bufnr integer
---@field client vim.lsp.Client
---@field serial integer of the latest request
---@field asked aix_lsp.Place|nil place of the latest request
---@field place aix_lsp.Place|nil place that `items` are for
---@field items aix_lsp.Item[]
---@field index integer
---@field cancel fun()|nil ends the running request
local Ghost = {}
Ghost.__index = Ghost

---@type table<integer, aix_lsp.Ghost>
local ghosts = {}
local M = {}

function Ghost:item()
  return self.items[self.index]
end

--- The part of the current candidate still to be typed; nil if the buffer's text has become different.
function Ghost:remaining()
  local item = self:item()
  local typed = item and place_of.typed_since(self.place)
  if not typed or not vim.startswith(item.text, typed) then
    return nil
  end
  local rest = item.text:sub(#typed + 1)
  return rest ~= '' and rest or nil
end

function Ghost:draw()
  local rest = self:remaining()
  if not rest or (config.options.hide_during_popup and menu.visible()) then
    render.hide(self.bufnr)
    return
  end
  local cursor = api.nvim_win_get_cursor(0)
  render.show(self.bufnr, cursor[1] - 1, cursor[2], rest, self:item().replaced, config.options.highlight)
  local item = self:item()
  if item.lsp and not item.shown then
    item.shown = true
    stream.notify(self.client, 'aix/didShow', { item = item.lsp })
  end
end

--- Forget the suggestion. With `why` "rejected", tell the server that it was seen and not wanted.
function Ghost:drop(why)
  local item = self:item()
  if why == 'rejected' and item and item.shown and not item.settled then
    item.settled = true
    stream.notify(self.client, 'aix/didReject', { item = item.lsp })
  end
  self.items, self.index, self.place = {}, 1, nil
  render.hide(self.bufnr)
end

function Ghost:stop()
  if self.cancel then
    self.cancel()
    self.cancel = nil
  end
  self.serial = self.serial + 1
end

--- Use the items received for a place. While they grow, nothing that is shown gets shorter.
function Ghost:take(place, items, done)
  local before = self:remaining()
  local old = { self.items, self.index, self.place }
  if not items or (#items == 0 and not done) then
    return
  end
  self.items, self.index, self.place = items, 1, place
  local now = self:remaining()
  if not done and before and (not now or vim.startswith(before, now)) then
    self.items, self.index, self.place = unpack(old)
  elseif not now then
    self.items, self.place = {}, nil
  end
  self:draw()
end

--- Send a request at the cursor. The older request is ended after the new one is sent, so that the server can
--- continue a generation that agrees with what was typed.
---@param invoked boolean
---@param after fun()|nil called after the final answer
function Ghost:ask(invoked, after)
  local place, older = place_of.here(), self.cancel
  self.serial = self.serial + 1
  local serial = self.serial
  self.asked = place
  self.cancel = stream.ask(self.client, place, invoked, function(items, done)
    if serial ~= self.serial or api.nvim_get_current_buf() ~= self.bufnr or not M.inserting() then
      return
    end
    self:take(place, items, done)
    if done then
      self.cancel = nil
      if after then
        after()
      end
    end
  end)
  if older then
    older()
  end
end

--- Handle a change of the text or the cursor: keep what still fits, and send a new request.
function Ghost:changed()
  local now, asked = place_of.here(), self.asked
  if asked and asked.tick == now.tick and asked.row == now.row and asked.col == now.col then
    return self:draw()
  end
  if vim.fn.reg_executing() ~= '' then
    return
  end
  if self.place and not self:remaining() then
    self:drop('rejected')
  end
  self:draw()
  self:ask(false)
end

--- Insert `text`, the beginning of what is shown.
---@param whole boolean whether it is all of it; then the text that it replaces is removed, too
function Ghost:insert(text, whole)
  local cursor = api.nvim_win_get_cursor(0)
  local row, col = cursor[1] - 1, cursor[2]
  local lines = vim.split(text, '\n', { plain = true })
  local stop = col + (whole and #self:item().replaced or 0)
  vim.cmd('let &l:undolevels = &l:undolevels')
  api.nvim_buf_set_text(self.bufnr, row, col, row, stop, lines)
  local end_col = #lines[#lines] + (#lines == 1 and col or 0)
  api.nvim_win_set_cursor(0, { row + #lines, end_col })
end

--- Accept all, or the part that `cut` returns.
---@param cut (fun(text: string): string)|nil
---@return boolean accepted false if nothing is shown
function Ghost:accept(cut)
  local rest = M.inserting() and M.shown(self.bufnr) and self:remaining()
  if not rest then
    return false
  end
  local item, text = self:item(), cut and cut(rest) or rest
  local whole = text == rest
  self:insert(text, whole)
  if item.lsp and whole then
    item.settled = true
    stream.notify(self.client, 'aix/didAccept', { item = item.lsp })
  elseif item.lsp then
    local length = place_of.utf16_length(item.text:sub(1, #item.text - #rest + #text))
    stream.notify(self.client, 'aix/didPartiallyAccept', { item = item.lsp, acceptedLength = length })
  end
  if whole then
    self:drop()
  end
  self:changed()
  return true
end

--- Show another candidate; request more if there is only one.
---@param step integer
function Ghost:cycle(step)
  local function turn()
    if #self.items > 1 then
      self.index = (self.index - 1 + step) % #self.items + 1
      self:draw()
    end
  end
  if #self.items > 1 then
    turn()
  else
    self:ask(true, turn)
  end
end

function M.inserting()
  return api.nvim_get_mode().mode:sub(1, 1) == 'i'
end

--- Send a request if somebody has typed while the model was loading.
function M.model_ready()
  local ghost = M.of()
  if ghost and M.inserting() then
    ghost:ask(false)
  end
end

--- Whether the buffer shows ghost text.
function M.shown(bufnr)
  return #api.nvim_buf_get_extmarks(bufnr, render.namespace, 0, -1, { limit = 1 }) > 0
end

--- The ghost of a buffer, if it has one.
---@return aix_lsp.Ghost|nil
function M.of(bufnr)
  return ghosts[bufnr or api.nvim_get_current_buf()]
end

local menu_changed = vim.schedule_wrap(function()
  local ghost = M.of()
  if ghost and M.inserting() then
    ghost:draw()
  end
end)

local function leave(ghost)
  ghost:stop()
  ghost:drop('rejected')
  ghost.asked = nil
end

function M.attach(bufnr, client)
  M.detach(bufnr)
  local ghost = setmetatable({ bufnr = bufnr, client = client, serial = 0, items = {}, index = 1 }, Ghost)
  ghosts[bufnr] = ghost
  local group = api.nvim_create_augroup('aix_lsp.ghost.' .. bufnr, {})
  local function on(events, callback)
    api.nvim_create_autocmd(events, { group = group, buffer = bufnr, callback = callback })
  end
  on({ 'InsertEnter', 'TextChangedI', 'TextChangedP', 'CursorMovedI' }, function()
    -- InsertEnter fires before the mode is entered.
    vim.schedule(function()
      if ghosts[bufnr] == ghost and api.nvim_get_current_buf() == bufnr and M.inserting() then
        ghost:changed()
      end
    end)
  end)
  on({ 'CompleteChanged', 'CompleteDone' }, menu_changed)
  on('InsertEnter', function()
    menu.watch(menu_changed)
  end)
  on({ 'InsertLeave', 'BufLeave' }, function()
    leave(ghost)
  end)
  on('BufWipeout', function()
    M.detach(bufnr)
  end)
end

function M.detach(bufnr)
  local ghost = ghosts[bufnr]
  if ghost then
    ghosts[bufnr] = nil
    api.nvim_del_augroup_by_name('aix_lsp.ghost.' .. bufnr)
    ghost:stop()
    render.hide(bufnr)
  end
end

return M
