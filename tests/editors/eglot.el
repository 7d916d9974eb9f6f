;;; eglot.el --- Does in Emacs what a person does  -*- lexical-binding: t -*-

;; What was to be seen is written to $REPORT, as JSON.
;; emacs -nw -l eglot.el model.py

(require 'cl-lib)
(require 'json)

(defvar report nil)
(defvar file (expand-file-name (car (last command-line-args))))

(defun note (what value) (push (cons what value) report))

(defun wait-for (what is-so)
  "Lets Emacs go on with its work until IS-SO, or fails saying WHAT."
  (let ((end (+ (float-time) 60)) found)
    (while (not (setq found (funcall is-so)))
      (when (> (float-time) end) (error "In vain: %s" what))
      ;; Eglot tells of edits when Emacs is idle, which it may never be on a machine that is busy.
      (when (fboundp 'eglot--signal-textDocument/didChange) (eglot--signal-textDocument/didChange))
      (sit-for 0.05))
    found))

(defun count () (length (flymake-diagnostics)))

(defun wait-for-findings (number)
  (wait-for (format "%d findings" number) (lambda () (= (count) number))))

(defun wait-for-a-change (before)
  (wait-for (format "other findings than %d" before) (lambda () (/= (count) before))))

(defun finding (diagnostic)
  (let* ((sent (cdr (assq 'eglot-lsp-diag (flymake-diagnostic-data diagnostic))))
         (start (flymake-diagnostic-beg diagnostic)))
    `((code . ,(plist-get sent :code))
      (place . ,(buffer-substring-no-properties start (flymake-diagnostic-end diagnostic)))
      (line . ,(line-number-at-pos start)))))

(defun by-place ()
  (sort (flymake-diagnostics) (lambda (one other) (< (flymake-diagnostic-beg one) (flymake-diagnostic-beg other)))))

(defun seen ()
  "What is shown at this moment: the text, and every finding with the code that is underlined."
  `((text . ,(buffer-substring-no-properties (point-min) (point-max)))
    (findings . ,(vconcat (mapcar #'finding (by-place))))))

(defun explanation ()
  "What the window of ElDoc says, once there is one."
  (cl-dolist (window (window-list))
    (with-current-buffer (window-buffer window)
      (when (string-match-p "eldoc" (buffer-name))
        (cl-return (buffer-substring-no-properties (point-min) (point-max)))))))

(defun press-a-key ()
  "Flymake begins after a command."
  (local-set-key [f20] #'ignore)
  (execute-kbd-macro [f20]))

(defun give-the-biases-back ()
  "An edit of the text that is not saved."
  (goto-char (point-min))
  (while (search-forward ", bias=False" nil t) (replace-match "")))

(defun session ()
  (press-a-key)
  (wait-for "any finding" (lambda () (> (count) 0)))
  (let ((all (count)) (first (flymake-diagnostic-beg (car (by-place)))))
    (note 'opened (seen))
    (note 'line (flymake-diagnostic-text (car (by-place))))

    (goto-char first)
    ;; What comes late gives way to what ElDoc asks for by itself meanwhile: then a person asks again.
    (note 'hover (wait-for "a hover" (lambda () (eldoc t) (sit-for 2) (explanation))))

    (note 'menu nil)
    (cl-letf (((symbol-function 'completing-read)
               (lambda (_prompt items &rest _)
                 (setcdr (assq 'menu report) (vconcat (mapcar #'car items)))
                 (caar items))))
      (let ((last-nonmenu-event t))
        (call-interactively #'eglot-code-actions)))
    (wait-for-a-change all)
    (note 'repaired (seen))

    (give-the-biases-back)
    (wait-for-findings all)
    (note 'edited (seen))

    (eglot-code-actions (point-min) (point-max) "source.fixAll.biaslens" t)
    (wait-for-a-change all)
    (note 'fixed (seen))

    (give-the-biases-back)
    (wait-for-findings all)
    (save-buffer)
    (note 'saved `((text . ,(buffer-substring-no-properties (point-min) (point-max)))
                   (modified . ,(if (buffer-modified-p) t json-false))))))

(defun drive ()
  (switch-to-buffer (get-file-buffer file))
  (condition-case why (session)
    (error (note 'failure (error-message-string why))
           (note 'log (with-current-buffer "*Messages*" (buffer-string)))))
  (with-temp-file (getenv "REPORT") (insert (json-encode (reverse report))))
  (kill-emacs))

;; Only an idle Emacs has finished connecting.
(run-with-idle-timer 0.5 nil #'drive)
;;; eglot.el ends here
