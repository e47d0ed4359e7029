"""Every option of every verb, declared once: name, type, bounds, default, help, group, flag and environment name.

`kinds` converts and checks values, `declaring` reads the declarations off a struct and makes it, `groups` has the
options that verbs share, `verbs` composes them, `wording` turns flags into arguments for the library. The command's
flags, the environment, `batcher.toml`, help, man page and the library's arguments are all derived from these structs.
"""
