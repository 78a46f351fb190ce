local common = require "woolly.common"

return common.outside_view("Speed with few repetitions, to compare with a baseline (--compare)", 5)
