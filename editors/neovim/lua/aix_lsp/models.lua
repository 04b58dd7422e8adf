--- Owns the choice of a model: the list, the question about the licence, and the download.
local server = require('aix_lsp.server')
local M = {}

local function use(model)
  server.call('aix.switchModel', { model }, function()
    local kept = "to keep it, add to the options of setup(): settings = { model = '%s' }"
    vim.notify(('aix-lsp: %s is in use until the server exits; '):format(model) .. kept:format(model))
  end)
end

local function download(choice)
  vim.notify(('aix-lsp: downloading %s (%s GB)'):format(choice.get, choice.gb))
  server.call('aix.getModel', { { name = choice.get, agreed = true } }, function()
    use(choice.model)
  end)
end

--- Nothing is downloaded before the user has seen its licence and agreed to it.
local function ask(choice)
  local yes = ('Download %s GB and agree to the licence'):format(choice.gb)
  vim.ui.select({ yes, 'Cancel' }, { prompt = ('%s: %s'):format(choice.get, choice.licence) }, function(answer)
    if answer == yes then
      download(choice)
    end
  end)
end

--- Let the user choose one of the models on this computer and in the catalogue.
function M.choose()
  server.call('aix.models', {}, function(told)
    vim.ui.select(told.choices, {
      prompt = 'Model (now ' .. told.current .. ')',
      kind = 'aix_lsp.model',
      format_item = function(choice)
        return ('%-24s %s'):format(choice.label, choice.about)
      end,
    }, function(choice)
      if choice and choice.get then
        ask(choice)
      elseif choice then
        use(choice.model)
      end
    end)
  end)
end

return M
