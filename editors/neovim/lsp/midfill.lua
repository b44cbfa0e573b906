-- The language server, in nvim-lspconfig's form, for Neovim 0.12 or newer: `vim.lsp.enable('midfill')` starts it.
return {
  cmd = { 'midfill', 'serve' },
  root_markers = { '.git' },
  -- init_options = { debounceMs = 50 }, -- the settings of the README
}
