# zsh -f complete.zsh SCRIPT LINE...: for each line prints "line", and what zsh completes at its end after `source SCRIPT`, as "match:WORD".
zmodload zsh/zpty || exit 1
zpty shell zsh -f -i
zpty -w shell "PS1=; stty -echo; autoload -Uz compinit; compinit -u -D; source ${(q)1}; source ${(q)0:A:h}/print-matches.zsh; print is-\"\"ready"
until zpty -r shell out && [[ $out == *is-ready* ]]; do :; done
for line in "${@:2}"; do
  print line
  # Ctrl-U removes the line before.
  zpty -w -n shell $'\C-u'"$line"$'\t'
  while zpty -r shell out; do
    print -r -- "$out"
    [[ $out == *end-of-matches* ]] && break
  done
done
zpty -d shell
