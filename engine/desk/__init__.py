"""The process beside an app that does what is heavy: tokens, checks, frozen rows, answers.

Lines of JSON over a pipe. App to desk: `{"id", "call", "args"}`, `{"cancel": id}`. Desk to app:
`{"id", "progress": [phase, done, total]}`, `{"id", "item": {...}}`, and one last word for each id:
`{"id", "result": {...}}`, `{"id", "problem": {where, what, fix}}` or `{"id", "cancelled": true}`.
"""
