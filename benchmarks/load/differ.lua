-- Requests like those that come through a proxy: twelve fields, and all of them differ each time.
local number = 0

request = function()
  number = number + 1
  return wrk.format("GET", "/?page=" .. number, {
    ["Host"] = "shop.example.com",
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:" .. number .. ") Gecko/20100101 Firefox/128.0",
    ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0." .. number,
    ["Accept-Language"] = "en-GB,en;q=0.7,de;q=0.3" .. number,
    ["Accept-Encoding"] = "gzip, deflate, br, zstd;q=0." .. number,
    ["Referer"] = "https://shop.example.com/catalogue/lamps?page=" .. number,
    ["Cookie"] = "session=3b1f9a6c77d04c0f" .. number .. "; theme=dark; consent=yes",
    ["X-Request-Id"] = "4bf92f3577b34da6a3ce929d0e0e4736" .. number,
    ["X-Forwarded-For"] = "203.0.113." .. number % 250 .. ", 10.0.0.1",
    ["X-Real-Ip"] = "203.0.113." .. number % 250,
    ["Traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e47-" .. number,
    ["If-None-Match"] = '"' .. number .. '"',
  })
end
