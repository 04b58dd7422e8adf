--- Owns whether a completion menu is open: Neovim's own, nvim-cmp's or blink.cmp's.
local M = {}

--- Asks only plugins that are loaded already.
local function asked(name, method)
  local plugin = package.loaded[name]
  if type(plugin) ~= 'table' then
    return false
  end
  local ok, visible = pcall(function()
    return plugin[method]()
  end)
  return ok and visible == true
end

function M.visible()
  return vim.fn.pumvisible() == 1 or asked('cmp', 'visible') or asked('blink.cmp', 'is_menu_visible')
end

return M
