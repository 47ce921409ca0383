module weir/peer

go 1.25
