std = "lua54"
max_line_length = 100
files["gates"] = { std = "none" }
files["lua/woolly/meta"] = { ignore = { "2..", "1..", "6.." } }
exclude_files = { "build*" }
