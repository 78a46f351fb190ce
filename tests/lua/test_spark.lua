--- The history beside a figure.
local tap = require "tap"
local text = require "woolly.report.text"

tap.test("low is low, high is high, in either character set", function()
  tap.equal(text.spark({ 1, 2, 3, 8 }, true), "▁▂▃█")
  tap.equal(text.spark({ 1, 2, 3, 8 }, false), "_.-@")
end)

tap.test("what hardly moves is drawn nearly flat; zeros and one value are drawn", function()
  tap.equal(text.spark({ 100, 100.1, 99.9 }, false), "++=")
  tap.equal(text.spark({ 0, 0 }, false), "++")
  tap.equal(utf8.len(text.spark({ -3.5 }, true)), 1)
end)

tap.done()
