COPY pg_temp.listing_reread ({staged}) FROM STDIN
