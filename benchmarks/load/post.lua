-- Requests with a body of 10 kB.
wrk.method = "POST"
wrk.body = string.rep("x", 10 * 1024)
wrk.headers["Content-Type"] = "application/octet-stream"
