package logship.test;

import org.elasticsearch.Build;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.node.Node;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest.Method;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/** Answers GET / and HEAD / with the stock members: the module that does it in a full server is not published. */
final class Root {
    private Root() {}

    static void register(Node node) {
        RestController rest = node.injector().getInstance(RestController.class);
        ClusterService cluster = node.injector().getInstance(ClusterService.class);
        RestHandler handler = (request, channel, client) -> {
            Build build = Build.current();
            XContentBuilder json = channel.newBuilder();
            json.startObject();
            json.field("name", Node.NODE_NAME_SETTING.get(node.settings()));
            json.field("cluster_name", cluster.getClusterName().value());
            json.field("cluster_uuid", cluster.state().metadata().clusterUUID());
            json.startObject("version");
            json.field("number", build.qualifiedVersion());
            json.field("build_flavor", build.flavor());
            json.field("build_type", build.type().displayName());
            json.field("build_hash", build.hash());
            json.field("build_date", build.date());
            json.field("build_snapshot", build.isSnapshot());
            json.field("lucene_version", org.apache.lucene.util.Version.LATEST.toString());
            json.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
            json.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
            json.endObject();
            json.field("tagline", "You Know, for Search");
            json.endObject();
            channel.sendResponse(new RestResponse(RestStatus.OK, json));
        };
        rest.registerHandler(new RestHandler.Route(Method.GET, "/"), handler);
        rest.registerHandler(new RestHandler.Route(Method.HEAD, "/"), handler);
    }
}
