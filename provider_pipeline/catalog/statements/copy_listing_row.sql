COPY pg_temp.listing_row ({staged}) FROM STDIN
