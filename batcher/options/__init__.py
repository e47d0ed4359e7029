"""Every option of every verb, declared once: name, type, bounds, default, help, group, flag and environment name.

`kinds` converts and checks values. `declaring` reads the declarations of a struct and makes the struct. `groups` has
the options that verbs share, and `verbs` composes them. `wording` rewrites flags as arguments, for the library. The
flags, the environment variables, `batcher.toml`, the help, the manual page and the arguments of the library are all
derived from these structs.
"""
