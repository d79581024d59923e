-- A form of 10 kB.
wrk.method = "POST"
wrk.body = ("x"):rep(10240)
