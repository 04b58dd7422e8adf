--- Owns the server's latest status (`aix/status`), and the statusline component made of it.
local M = {}

---@class aix_lsp.Status
---@field state "off"|"loading"|"ready"|"busy"|"inactive"|"waiting"|"error"
---@field message string|nil
---@field fraction number|nil how much of the loading is done, 0 to 1
---@field model string|nil
---@field running string|nil how the engine computes the model, and why

---@type aix_lsp.Status
M.current = { state = 'off' }

---@type table<integer, aix_lsp.Status>
local latest = {}

--- The messages that the server has shown to the user, each once.
---@type string[]
M.messages = {}

--- For a client's `handlers`: handles `window/showMessage`. `:checkhealth aix_lsp` shows all messages.
function M.on_message(_, params)
  if not vim.list_contains(M.messages, params.message) then
    table.insert(M.messages, params.message)
  end
  local levels = { vim.log.levels.ERROR, vim.log.levels.WARN }
  require('aix_lsp.say').line((params.message:gsub('^aix%-lsp: ', '')), levels[params.type] or vim.log.levels.INFO)
end

--- For a client's `handlers`.
function M.on_status(_, params, ctx)
  -- Each of several servers (one per project) has its own state, which says nothing about the others.
  local was = latest[ctx.client_id] or { state = 'off' }
  latest[ctx.client_id], M.current = params, params
  if params.state == 'error' and (was.state ~= 'error' or was.message ~= params.message) then
    -- `:AixLsp status` shows all of it. An error that comes and goes is shown once, as by the server.
    local message = params.message or 'error'
    if not vim.list_contains(M.messages, 'aix-lsp: ' .. message) then
      require('aix_lsp.say').line(message, vim.log.levels.ERROR)
    end
  end
  if params.state == 'ready' and (was.state == 'loading' or was.state == 'off') then
    require('aix_lsp.ghost').model_ready()
  end
  vim.api.nvim_exec_autocmds('User', { pattern = 'AixLspStatus', modeline = false, data = params })
  vim.cmd.redrawstatus()
end

function M.on_exit()
  M.current = { state = 'off' }
  vim.schedule(function()
    vim.cmd.redrawstatus()
  end)
end

--- A short text for a statusline, such as "aix embedded" or "aix loading 40%"; empty without a server.
---@return string
function M.statusline()
  local status = M.current
  if status.state == 'off' then
    return ''
  elseif status.state == 'loading' and type(status.fraction) == 'number' then
    return ('aix loading %d%%%%'):format(math.floor(status.fraction * 100))
  elseif status.state == 'ready' or status.state == 'busy' then
    local model = status.model
    model = type(model) == 'table' and model.name or model
    return 'aix ' .. (type(model) == 'string' and vim.fs.basename(model) or status.state)
  end
  return 'aix ' .. status.state
end

return M
