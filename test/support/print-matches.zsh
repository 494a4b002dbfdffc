# Prints the matches of a completion instead of inserting them.
compadd() {
  # With -O, -A or -D it fills arrays, and adds no matches.
  if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
    local -a found
    builtin compadd -A found "$@"
    (( $#found )) && print -rl -- '' match:${^found}
  fi
  builtin compadd "$@"
}
print-matches() {
  _main_complete
  compstate[insert]=''
  compstate[list]=''
  print -r -- $'\n'end-of-matches
}
zle -C print-matches complete-word print-matches
bindkey '^I' print-matches
