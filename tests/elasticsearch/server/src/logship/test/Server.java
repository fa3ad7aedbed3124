package logship.test;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import org.elasticsearch.bootstrap.BootstrapInfo;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginBundle;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * One Elasticsearch node in this JVM, on 127.0.0.1 until SIGTERM. Arguments: HOME DATA PORT [key=value ...].
 * HOME has lib/, modules/ and plugins/; DATA has config/. Prints READY when HTTP answers.
 */
public final class Server {
    private static final String NAME = "logship-test";

    private Server() {}

    public static void main(String[] arguments) throws Exception {
        // Configuring the log sends System.out there too.
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true);
        Path data = Path.of(arguments[1]);
        Settings.Builder settings = Settings.builder()
            .put("cluster.name", NAME)
            .put("node.name", NAME)
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments[2])
            .put("transport.port", "0")
            .put("cluster.routing.allocation.disk.threshold_enabled", "false")
            .put("path.home", arguments[0])
            .put("path.data", data.resolve("data").toString())
            .put("path.logs", data.resolve("logs").toString());
        for (int i = 3; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }

        LogConfigurator.registerErrorListener();
        BootstrapInfo.init();
        Environment environment = InternalSettingsPreparer.prepareEnvironment(
            settings.build(), new HashMap<>(), data.resolve("config"), () -> NAME);
        LogConfigurator.setClusterName(NAME);
        LogConfigurator.setNodeName(NAME);
        LogConfigurator.configure(environment, true);

        PluginsLoader loader = PluginsLoader.createPluginsLoader(
            bundles("loadModulesBundles", environment.modulesDir()),
            bundles("loadPluginsBundles", environment.pluginsDir()),
            Map.of(),
            false); // exports need the server to be a named Java module; here it is on the class path
        Node node = new Node(environment, loader);
        Root.register(node);
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(node, stopped)));
        node.start();
        out.println("READY");
        stopped.await();
    }

    private static void stop(Node node, CountDownLatch stopped) {
        try {
            node.prepareForClose();
            node.close();
            node.awaitClose(10, TimeUnit.SECONDS);
        } catch (Exception e) {
            e.printStackTrace();
        } finally {
            stopped.countDown();
        }
    }

    /** By reflection: 9.x takes a second argument, whether the node is stateless. */
    @SuppressWarnings("unchecked")
    private static Set<PluginBundle> bundles(String name, Path folder) throws Exception {
        for (Method method : PluginsLoader.class.getMethods()) {
            if (method.getName().equals(name)) {
                Object found = method.getParameterCount() == 1 ? method.invoke(null, folder) : method.invoke(null, folder, false);
                return (Set<PluginBundle>) found;
            }
        }
        throw new IllegalStateException("PluginsLoader has no " + name);
    }
}
