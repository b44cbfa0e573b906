---@brief
---
--- https://github.com/midfill/midfill
---
--- Midfill is a language server that fills in the middle of your code: private ghost text from a model on your own
--- machine. Its ghost text needs Neovim 0.12, and `vim.lsp.inline_completion.enable()`.
---
--- The settings of its README go into `init_options`:
---
--- ```lua
--- vim.lsp.config('midfill', { init_options = { debounceMs = 50 } })
--- ```

---@type vim.lsp.Config
return {
  cmd = { 'midfill', 'serve' },
  root_markers = { '.git' },
}
