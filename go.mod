module cosmicman

go 1.26
