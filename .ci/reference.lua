-- Writes docs/reference.md from lua/woolly/meta/: lua5.4 .ci/reference.lua
local root = arg[0]:match "^(.*)/.ci/[^/]*$" or arg[0]:match "^.ci/" and "." or ".."
package.path = root .. "/tests/support/?.lua;" .. package.path
local meta_files = require "meta_files"
local text = require("reference").render(meta_files.all(root),
                                         meta_files.names(root .. "/docs/examples"))
local file = assert(io.open(root .. "/docs/reference.md", "wb"))
assert(file:write(text))
assert(file:close())
