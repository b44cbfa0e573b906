-- Neovim 0.12 or newer. Put this file into lsp/ of your configuration, then, in init.lua:
--   vim.lsp.enable('midfill')
--   vim.lsp.inline_completion.enable()
--   vim.keymap.set('i', '<Tab>', function()
--     return vim.lsp.inline_completion.get() and '' or '<Tab>'
--   end, { expr = true, desc = 'Accept ghost text' })
return {
  cmd = { 'midfill', 'serve' },
  root_markers = { '.git' },
  -- init_options = { debounceMs = 50 }, -- the settings of the README
}
