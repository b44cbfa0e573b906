;; Emacs with lsp-mode 10 or newer: ghost text after a short pause, TAB accepts it, any other key ends it.
(require 'lsp-mode)
(require 'lsp-inline-completion)
(lsp-register-client
 (make-lsp-client :new-connection (lsp-stdio-connection '("midfill" "serve"))
                  :activation-fn (lambda (_file mode) (provided-mode-derived-p mode 'prog-mode))
                  :notification-handlers (ht ("midfill/statusChanged" #'ignore)) ; else each is a warning
                  :add-on? t            ; beside the language's own server
                  :server-id 'midfill))
(setq lsp-inline-completion-idle-delay 0.2)
(define-key lsp-inline-completion-active-map (kbd "TAB") #'lsp-inline-completion-accept)
(add-hook 'prog-mode-hook #'lsp-deferred)
