local common = require "woolly.common"

return common.outside_view("Speed with many repetitions, to save (--save) and compare with", 15)
