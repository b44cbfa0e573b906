;; Emacs 30 with eglot, which has no inline completion: M-TAB completes, and completion-preview-mode shows the first
;; line of it as ghost text, which TAB accepts. eglot runs one server a buffer: Midfill, or the language's own.
(require 'eglot)
(add-to-list 'eglot-server-programs '(prog-mode . ("midfill" "serve")))
(add-hook 'prog-mode-hook #'eglot-ensure)
(add-hook 'prog-mode-hook #'completion-preview-mode)
