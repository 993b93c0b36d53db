"""How the pages of the guard look: light and dark, on a phone and on a desktop, without a request to another server."""

from __future__ import annotations

STYLE = """\
:root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1f2937; --quiet: #5b6472; --line: #e3e6ea; --panel: #f6f7f9;
  --accent: #1d4ed8; --on-accent: #ffffff; --good: #15803d; --bad: #b42318; --bad-panel: #fef3f2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171c; --text: #e6e8eb; --quiet: #9aa3af; --line: #2c323b; --panel: #1c2027;
    --accent: #8ab4f8; --on-accent: #0b1220; --good: #6ee7a0; --bad: #ff9d92; --bad-panel: #2b1d1c;
  }
}
* { box-sizing: border-box }
body { background: var(--back); color: var(--text); font: 1.05rem/1.6 system-ui, sans-serif; margin: 0;
  overflow-wrap: anywhere }
main { margin: 4rem auto; max-width: 46rem; padding: 0 1.25rem }
h1 { font-size: 1.9rem; line-height: 1.25; margin: 0 0 .6rem }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
p { margin: .6rem 0 }
.quiet, caption, th, time, li i { color: var(--quiet) }
a { color: var(--accent) }
code, pre { font: .9rem/1.55 ui-monospace, monospace }
pre { margin: 0; white-space: pre-wrap }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; margin: .8rem 0;
  padding: .8rem 1rem }
.bad { background: var(--bad-panel); border-color: var(--bad) }
.bad h2 { color: var(--bad); margin: 0 0 .4rem }
.command { align-items: center; display: flex; gap: 1rem; justify-content: space-between }
.command pre { user-select: all }
button, .button { background: var(--accent); border: 1px solid var(--accent); border-radius: .5rem;
  color: var(--on-accent); cursor: pointer; display: inline-block; font: inherit; font-weight: 600;
  padding: .5rem 1.2rem; text-decoration: none }
button[hidden] { display: none }
button:hover, .button:hover { filter: brightness(1.08) }
button[type="button"] { background: none; border-color: var(--line); color: var(--accent); flex: none;
  font-size: .9rem; padding: .2rem .8rem }
button:focus-visible, a:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px }
form, .actions { margin: 1.4rem 0 }
table { border-collapse: collapse; margin-top: 2rem; width: 100% }
caption { padding-bottom: .4rem; text-align: left }
th, td { border-bottom: 1px solid var(--line); padding: .5rem 1rem .5rem 0; text-align: left; vertical-align: top }
th, td:nth-child(-n + 2) { overflow-wrap: break-word }
th { font-weight: normal }
time { white-space: nowrap }
ul { margin: .8rem 0; padding-left: 1.2rem }
.bar { background: var(--line); border-radius: .25rem; height: .5rem; margin: 1.4rem 0; overflow: hidden }
.bar div { background: var(--accent); height: 100%; transition: width .3s; width: calc(var(--done, 0) * 100%) }
.steps { list-style: none; margin: 1rem 0; padding: 0 }
.steps li { border-bottom: 1px solid var(--line); display: flow-root; padding: .5rem 0 .5rem 1.8rem;
  position: relative }
.steps li::before { color: var(--quiet); content: "\\2026"; left: .2rem; position: absolute }
.steps li:has(b)::before { color: var(--good); content: "\\2713" }
.steps li:has(b) i { display: none }
.steps b { color: var(--quiet); float: right; font-weight: normal; padding-left: 1rem }
.steps b.failed, .steps li:has(.failed)::before { color: var(--bad) }
.steps li:has(.failed)::before { content: "\\2717" }
.steps .said { color: var(--quiet); display: block }
.steps .said::before { content: "" }
@media (max-width: 36rem) {
  main { margin: 1.75rem auto }
  thead { display: none }
  td:nth-child(n) { border: 0; display: inline-block; overflow-wrap: anywhere; padding: 0 .6rem 0 0 }
  tr td:nth-child(3) { display: block }
  tr td:empty { display: none }
  tr { border-bottom: 1px solid var(--line); display: block; padding: .6rem 0 }
}
@media (prefers-reduced-motion: reduce) { .bar div { transition: none } }
"""
