// Tries Java's HTTP client (java.net.http) against a server, as tries.py does: java Tries.java URL
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

public class Tries {
    interface Try { String run() throws Exception; }

    static final String JSON = "application/json", PATCH = "application/merge-patch+json";
    static final byte[] SMALL = ("{\"rows\":[" + "1,".repeat(2000) + "1]}").getBytes();
    static final byte[] LARGE = ("{\"rows\":[" + "\"some text\",".repeat(60000) + "1]}").getBytes();
    static final byte[] REFUSED = new byte[40 << 20];
    static final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    static String url;

    static HttpResponse<byte[]> ask(String method, String path, HttpRequest.BodyPublisher body,
                                    String... headers) throws Exception {
        HttpRequest.Builder asked = HttpRequest.newBuilder(URI.create(url + path)).method(method, body);
        if (headers.length > 0)
            asked.headers(headers);
        return client.send(asked.build(), BodyHandlers.ofByteArray());
    }

    static HttpResponse<byte[]> get(String path, String... headers) throws Exception {
        return ask("GET", path, BodyPublishers.noBody(), headers);
    }

    static HttpResponse<byte[]> put(String path, byte[] body, String... headers) throws Exception {
        String[] all = Arrays.copyOf(headers, headers.length + 2);
        all[headers.length] = "Content-Type";
        all[headers.length + 1] = JSON;
        return ask("PUT", path, BodyPublishers.ofByteArray(body), all);
    }

    static String wrong(HttpResponse<byte[]> got, int status) {
        return got.statusCode() == status ? null : "status " + got.statusCode() + ", not " + status;
    }

    static String wrong(HttpResponse<byte[]> got, int status, byte[] body) {
        return wrong(got, status) != null ? wrong(got, status) : Arrays.equals(got.body(), body) ? null : "another body";
    }

    static String conditional() throws Exception {
        String etag = get("/a").headers().firstValue("etag").get();
        String found = wrong(get("/a", "If-None-Match", etag), 304);
        if (found == null)
            found = wrong(put("/a", SMALL, "If-Match", etag), 200);
        return found != null ? found : wrong(put("/a", SMALL, "If-Match", etag), 412);
    }

    static String gzip() throws Exception {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(packed)) {
            out.write(SMALL);
        }
        String found = wrong(put("/gzip", packed.toByteArray(), "Content-Encoding", "gzip"), 201);
        if (found != null)
            return found;
        HttpResponse<byte[]> got = get("/gzip", "Accept-Encoding", "gzip");
        byte[] text = new GZIPInputStream(new ByteArrayInputStream(got.body())).readAllBytes();
        return wrong(got, 200) != null ? wrong(got, 200) : Arrays.equals(text, SMALL) ? null : "another body";
    }

    public static void main(String[] arguments) {
        url = arguments[0];
        Arrays.fill(REFUSED, (byte) ' ');
        Map<String, Try> tries = new LinkedHashMap<>();
        tries.put("PUT", () -> wrong(put("/a", "{\"n\":1}".getBytes()), 201));
        tries.put("GET", () -> wrong(get("/a"), 200, "{\"n\":1}".getBytes()));
        tries.put("HEAD", () -> wrong(ask("HEAD", "/a", BodyPublishers.noBody()), 200));
        tries.put("PATCH", () -> wrong(ask("PATCH", "/a", BodyPublishers.ofString("{\"m\":2}"), "Content-Type", PATCH),
                                       200, "{\"n\":1,\"m\":2}".getBytes()));
        tries.put("POST", () -> wrong(ask("POST", "", BodyPublishers.ofString("[1]"), "Content-Type", JSON), 201));
        tries.put("conditional", Tries::conditional);
        tries.put("large upload", () -> wrong(put("/large", LARGE), 201));
        tries.put("large reply", () -> wrong(get("/large"), 200, LARGE));
        tries.put("chunked upload", () -> wrong(ask("PUT", "/chunked",
            BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(LARGE)), "Content-Type", JSON), 201));
        tries.put("refused upload", () -> wrong(put("/refused", REFUSED), 413));
        tries.put("after a refusal", () -> wrong(get("/a"), 200, SMALL));
        tries.put("gzip", Tries::gzip);
        tries.put("DELETE", () -> wrong(ask("DELETE", "/a", BodyPublishers.noBody()), 204));
        tries.put("missing", () -> wrong(get("/a"), 404));
        StringBuilder told = new StringBuilder();
        tries.forEach((what, one) -> {
            String found;
            try {
                found = one.run();
            } catch (Exception problem) {
                found = problem.toString().replace('"', '\'');
            }
            told.append(told.length() == 0 ? "" : ", ").append('"').append(what).append("\": \"")
                .append(found == null ? "ok" : found).append('"');
        });
        System.out.println("{\"version\": \"" + System.getProperty("java.version") + "\", \"tries\": {" + told + "}}");
    }
}
